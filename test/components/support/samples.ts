/** A tailnet and a host as other components hand them over. */
import * as pulumi from "@pulumi/pulumi";
import { HeadscaleKey } from "../../../components/headscale/headscale-key.ts";
import { HeadscaleServer } from "../../../components/headscale/headscale-server.ts";
import type { Role } from "../../../components/render/names.ts";
import { stewardPaths } from "../../../components/render/host-paths.ts";
import { unrestricted } from "../../../components/render/restrictions.ts";
import type { Host } from "../../../components/shared/host.ts";
import type { Tailnet } from "../../../components/shared/tailnet.ts";

export function sampleTailnet(): Tailnet & { readonly server: HeadscaleServer } {
  const server = new HeadscaleServer(
    "control",
    {
      clusterName: "ci",
      networkName: "homespan-ci-wan",
      address: "10.90.0.10",
      hostName: "control.homespan-ci.internal",
      image: "headscale:1",
      config: "",
    },
    {},
  );
  const control = server.container.apply((container) => ({ kind: "headscale" as const, container }));
  return {
    domain: "ci.tailnet.internal",
    loginServer: "https://control.homespan-ci.internal",
    hostAliases: pulumi.output<Record<string, string>>({ "control.homespan-ci.internal": "10.90.0.10" }),
    ownAuthority: true,
    caCertificate: server.caCertificate,
    control,
    server,
    policy: server,
    loginKey: (name, { hostName, tag, identity }, options) =>
      new HeadscaleKey(
        name,
        { headscale: control, user: "homespan", hostName, tags: [tag], identity },
        { ...options, deletedWith: server },
      ),
  };
}

/** A machine of no particular kind; `apiPort` publishes its API. */
export function sampleHost(tailnet: Tailnet, nodeName: string, role: Role, apiPort?: number): Host {
  return {
    nodeName,
    site: role === "server" ? "cloud" : "home",
    substrate: "sample",
    tailnet,
    hostName: `ci-${nodeName}`,
    fullyQualifiedName: `ci-${nodeName}.ci.tailnet.internal`,
    tag: `tag:ci-${role}`,
    restrictions: unrestricted,
    paths: stewardPaths,
    transport: pulumi.output({ kind: "podman" as const, container: `${nodeName}-steward` }),
    identity: pulumi.output(`volume-of-${nodeName}`),
    publishedApi:
      apiPort === undefined
        ? undefined
        : { address: "127.0.0.1", port: apiPort, url: `https://127.0.0.1:${String(apiPort)}` },
    machine: tailnet.policy,
  };
}
