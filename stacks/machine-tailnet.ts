/** Picks the tailnet of a stack of machines, and asks what can be asked of it before anything is made. */
import * as pulumi from "@pulumi/pulumi";
import { GivenHeadscaleTailnet } from "../components/headscale/given-headscale-tailnet.ts";
import type { LastingTailnet } from "../components/shared/tailnet.ts";
import { TailscaleTailnet } from "../components/tailscale/tailscale-tailnet.ts";
import type { MachineClusterConfig } from "./machine-cluster.ts";
import { podRoutesOf } from "./pod-network.ts";

/** What the tailnet depends on. */
export type TailnetSettings = Pick<
  MachineClusterConfig,
  "clusterName" | "tailnet" | "disable" | "podNetwork" | "extraConfig"
>;

/**
 * The tailnet the configuration names.
 *
 * @param caCertificate - CA of its control server, PEM; "" for a public one
 */
export function machineTailnet(config: TailnetSettings, caCertificate: string): LastingTailnet {
  const { policy } = config.tailnet;
  const made = tailnetOfKind(config, caCertificate);
  if (policy === "elsewhere" && pulumi.runtime.isDryRun()) {
    void pulumi.log.info(`The policy of the tailnet has to hold this before \`up\`:\n${made.policyText}`);
  }
  return made;
}

function tailnetOfKind(config: TailnetSettings, caCertificate: string): LastingTailnet {
  const { clusterName, tailnet, disable } = config;
  const common = {
    clusterName,
    domain: tailnet.domain,
    admins: tailnet.admins,
    policy: tailnet.adopt ? ("adopt" as const) : tailnet.policy,
    metricsServer: !disable.includes("metrics-server"),
    podRoutes: podRoutesOf(config),
  };
  switch (tailnet.kind) {
    case "tailscale":
      return new TailscaleTailnet("tailnet", { ...common, tagOwners: tailnet.tagOwners });
    case "headscale": {
      const { url, user } = tailnet;
      return new GivenHeadscaleTailnet("tailnet", { ...common, url, user, caCertificate });
    }
  }
}
