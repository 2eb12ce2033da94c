/** The homelab stack as agents of another stack's cluster, whose servers, tailnet policy and settings it leaves alone. */
import * as pulumi from "@pulumi/pulumi";
import { GivenHeadscaleTailnet } from "../components/headscale/given-headscale-tailnet.ts";
import { JoinedAgents } from "../components/k3s/joined-agents.ts";
import { SshKey } from "../components/machine/ssh-key.ts";
import { TailnetOperator } from "../components/machine/tailnet-operator.ts";
import { kubeconfigThrough } from "../components/render/kubeconfig.ts";
import { tailnetHostName } from "../components/render/names.ts";
import type { LastingTailnet } from "../components/shared/tailnet.ts";
import { TailscaleTailnet } from "../components/tailscale/tailscale-tailnet.ts";
import { machineArtifacts, type Mirror } from "./artifacts.ts";
import { homeHosts, type HomeMakers } from "./home-hosts.ts";
import type { JoiningConfig } from "./homelab-config.ts";
import { joiningOperator } from "./join.ts";
import type { Join } from "./join-schema.ts";
import type { MachineOutputs } from "./machine-cluster.ts";
import { joined, nodeOutput } from "./made-node.ts";
import { mirrorsOf } from "./registry-mirrors.ts";
import { formatWarning, type Warning } from "./warnings.ts";

/** Of the cluster's own outputs those that this stack can tell. */
export type JoiningOutputs = Pick<
  MachineOutputs,
  "clusterName" | "nodes" | "kubeconfig" | "apiUrl" | "sshPrivateKey"
>;

export function homelabJoining(
  { joining: config, warnings }: { readonly joining: JoiningConfig; readonly warnings: readonly Warning[] },
  join: Join,
  { mirror, makers }: { readonly mirror: Mirror | undefined; readonly makers: HomeMakers },
): JoiningOutputs {
  for (const warning of warnings) void pulumi.log.warn(formatWarning(warning));
  const { clusterName } = join;
  const { ownName, extraConfig } = config;
  const podRoutes = join.podCidr === null ? undefined : { podCidr: join.podCidr };
  const sshKey = new SshKey("ssh-key", { clusterName: ownName }, {});
  const operatorName = tailnetHostName(clusterName, joiningOperator(ownName));
  const tailnet = joinedTailnet(join, operatorName);
  const nodes = homeHosts(
    config.home,
    {
      ...{ clusterName, tailnet, publicKey: sshKey.publicKey, privateKey: sshKey.privateKey },
      artifacts: machineArtifacts(join.k3sVersion, mirror),
      imageSigner: mirror?.flatcar?.fingerprint,
      podRoutes,
    },
    makers,
  );
  const operator = new TailnetOperator(
    "operator",
    {
      // Beside the operator of the other stack, which may run on this machine, too.
      clusterName: ownName,
      hostName: operatorName,
      loginServer: tailnet.loginServer,
      caCertificate: tailnet.caCertificate,
      domain: tailnet.domain,
      authKey: pulumi.secret(tailnet.operatorKey("operator-key").key),
      tailnet: tailnet.control,
    },
    {},
  );
  const kubeconfig = pulumi.secret(
    operator.proxyUrl.apply((proxyUrl) => kubeconfigThrough(join.kubeconfig, proxyUrl)),
  );
  new JoinedAgents("agents", {
    ...{ clusterName, podRoutes, kubeconfig, servers: join.servers, hardening: join.hardening },
    agentToken: pulumi.secret(join.agentToken),
    registryMirrors: mirrorsOf(config.fields),
    agents: nodes.map((made) => joined(made, extraConfig)),
  });
  return {
    clusterName,
    nodes: pulumi.all(nodes.map(nodeOutput)),
    kubeconfig,
    apiUrl: pulumi.output(join.servers[0]?.apiUrl ?? ""),
    sshPrivateKey: pulumi.secret(sshKey.privateKey),
  };
}

/** Its policy and its settings are the other stack's: here keys are made. */
function joinedTailnet({ clusterName, tailnet }: Join, operatorName: string): LastingTailnet {
  const common = { clusterName, operatorName, domain: tailnet.domain, admins: [], policy: "joined" as const };
  switch (tailnet.kind) {
    case "tailscale":
      return new TailscaleTailnet("tailnet", { ...common, tagOwners: [] });
    case "headscale": {
      const { url, user, caCertificate } = tailnet;
      return new GivenHeadscaleTailnet("tailnet", { ...common, url, user, caCertificate });
    }
  }
}
