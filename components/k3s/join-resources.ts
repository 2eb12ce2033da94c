import * as pulumi from "@pulumi/pulumi";
import { pathBelowData } from "../render/host-paths.ts";
import type { JoinConf } from "../render/join-conf.ts";
import { renderJoin, type JoinFiles } from "../render/join.ts";
import type { K3sConfig } from "../render/k3s-config.ts";
import { topologyLabels } from "../render/labels.ts";
import type { Role } from "../render/names.ts";
import { renderRegistries } from "../render/registry.ts";
import { k3sPaths } from "../upstream/k3s.ts";
import type { ClusterAccess, JoinArgs } from "./join-args.ts";
import { Membership } from "./membership.ts";
import { NodeConfig } from "./node-config.ts";

/** What differs between a server's join and an agent's. */
export interface RoleConfig {
  readonly k3s: K3sConfig;
  readonly fresh: JoinConf;
  readonly initialised: JoinConf;
  /** Path below the node's data directory -> content that is secret. */
  readonly secretFiles: Readonly<Record<string, pulumi.Output<string>>>;
}

/** The join layer's files on the host; they go with the machine, so nothing is removed one by one when it goes. */
export function nodeConfig(
  name: string,
  args: JoinArgs,
  role: RoleConfig,
  parent: pulumi.ComponentResource,
): NodeConfig {
  const { host, identity } = args;
  const podNetwork = args.podRoutes === undefined ? "vxlan" : "routes";
  const render = (reached: Pick<JoinConf, "externalAddress"> = {}): JoinFiles =>
    renderJoin({
      k3s: role.k3s,
      registration: { labels: nodeLabels(args), taints: args.taints ?? [] },
      fresh: { ...role.fresh, ...reached, podNetwork },
      initialised: { ...role.initialised, ...reached, podNetwork },
    });
  const { files, joinFile } = render();
  return new NodeConfig(
    `${name}-config`,
    {
      nodeName: host.nodeName,
      transport: host.transport,
      identity: host.identity,
      // Where a registry of the stack's own is, is known once its network is.
      files:
        args.registryMirrors === undefined
          ? files
          : pulumi.output(args.registryMirrors).apply((mirrors) => ({
              ...files,
              [pathBelowData(host.paths, k3sPaths.registries)]: renderRegistries(mirrors),
            })),
      secretFiles: pulumi.secret(pulumi.all(role.secretFiles)),
      // Known only once the machine has its address; everything else is known at once.
      joinFile: host.externalAddress?.apply((it) => render({ externalAddress: it }).joinFile) ?? joinFile,
      initialised: identity.initialised,
    },
    {
      parent,
      deletedWith: host.machine,
      // Tailscale approves a route when it is announced, by the policy of that time.
      ...(podNetwork === "routes" ? { dependsOn: [host.tailnet.policy] } : {}),
    },
  );
}

/** The node's membership, once the cluster answers and the node has its configuration. */
export function membership(
  name: string,
  args: JoinArgs,
  node: { readonly role: Role; readonly etcd: boolean; readonly config: NodeConfig },
  access: ClusterAccess,
  parent: pulumi.ComponentResource,
): Membership {
  const { host } = args;
  return new Membership(
    `${name}-membership`,
    {
      clusterName: args.clusterName,
      nodeName: host.nodeName,
      role: node.role,
      kubeconfig: pulumi.secret(access.kubeconfig.kubeconfig),
      endpoints: [...access.endpoints],
      ...(node.role === "server" && host.publishedApi !== undefined
        ? { ownEndpoint: host.publishedApi.url }
        : {}),
      transport: host.transport,
      identity: host.identity,
      etcd: node.etcd,
      labels: nodeLabels(args),
      tailnet: host.tailnet.control,
      hostName: host.hostName,
      tag: host.tag,
      ...(host.readySeconds === undefined ? {} : { waitSeconds: host.readySeconds }),
    },
    {
      parent,
      dependsOn: [node.config],
      ...(access.anchor === undefined ? {} : { deletedWith: access.anchor }),
    },
  );
}

/** The user's labels come first: the topology's own always win. */
function nodeLabels(args: JoinArgs): Record<string, string> {
  return { ...args.labels, ...topologyLabels(args.host.site, args.host.substrate) };
}
