import * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import type { Hardening } from "../render/hardening.ts";
import type { Snapshots } from "../render/k3s-config.ts";
import type { SnapshotTarget } from "../render/k3s-snapshots.ts";
import type { PodRoutes } from "../render/pod-network.ts";
import type { RegistryMirrors } from "../render/registry.ts";
import type { Host, PublishedApi } from "../shared/host.ts";
import type { Datastore } from "../upstream/k3s.ts";
import { ClusterAnchor } from "./cluster-anchor.ts";
import type { ClusterIdentity } from "./cluster-identity.ts";
import type { JoinArgs } from "./join-args.ts";
import { K3sAgent } from "./k3s-agent.ts";
import { K3sServer } from "./k3s-server.ts";
import { Kubeconfig } from "./kubeconfig.ts";
import type { Membership } from "./membership.ts";

/** One node-to-be: its machine and what is particular to it. */
export type ClusterNode = Pick<JoinArgs, "host" | "labels" | "taints" | "kubeletArgs" | "extraConfig">;

export interface K3sClusterArgs {
  readonly clusterName: string;
  readonly identity: ClusterIdentity;
  /** The first one starts the cluster. Each publishes its API. */
  readonly servers: readonly ClusterNode[];
  readonly agents: readonly ClusterNode[];
  readonly datastore: Datastore;
  /**
   * Packaged components k3s does not deploy.
   *
   * @default none
   */
  readonly disable?: readonly string[];
  /**
   * When etcd is snapshotted to each server's own disk, and how many of these are kept.
   *
   * @default k3s's own: every twelve hours, five
   */
  readonly snapshots?: Snapshots;
  /**
   * What the k3s hardening guide asks of a cluster.
   *
   * @default k3s's own defaults
   */
  readonly hardening?: Hardening;
  /**
   * Pods without VXLAN, each node a route to its own; the tailnet's policy has to approve it.
   *
   * @default VXLAN
   */
  readonly podRoutes?: PodRoutes | undefined;
  /**
   * Where every node pulls images from first.
   *
   * @default each image comes from the registry in its name
   */
  readonly registryMirrors?: pulumi.Input<RegistryMirrors> | undefined;
  /**
   * The bucket that takes a copy of each snapshot. Secret.
   *
   * @default none
   */
  readonly snapshotTarget?: pulumi.Output<SnapshotTarget> | undefined;
  /**
   * Proxy that leads to the servers' APIs, such as a tailnet operator's. It is in the kubeconfig, so that everything that uses
   * the cluster goes through it.
   *
   * @default none: they are reached directly
   */
  readonly proxyUrl?: pulumi.Input<string>;
}

/**
 * Makes one k3s cluster of hosts that may stand anywhere. All hosts get their configuration at once and retry until a
 * server answers, so no join waits for another here.
 */
export class K3sCluster extends pulumi.ComponentResource {
  readonly anchor: ClusterAnchor;
  readonly kubeconfig: Kubeconfig;
  readonly memberships: readonly Membership[];
  readonly serverCount: number;

  constructor(name: string, args: K3sClusterArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:k3s:K3sCluster", name, {}, options);
    const { clusterName, identity, hardening, podRoutes, registryMirrors } = args;
    this.serverCount = args.servers.length;
    const serverHosts = args.servers.map((server) => server.host);
    const peersOf = (host: Host): string[] =>
      serverHosts.filter((server) => server !== host).map((server) => server.fullyQualifiedName);

    this.anchor = new ClusterAnchor(`${name}-anchor`, { clusterName }, { parent: this });
    const join = (node: ClusterNode): JoinArgs & { readonly identity: ClusterIdentity } => {
      const common = { clusterName, identity, hardening, podRoutes, registryMirrors };
      return { ...node, ...common, servers: peersOf(node.host) };
    };
    const servers = args.servers.map((node, index) => {
      const { datastore, snapshots, snapshotTarget, disable = [] } = args;
      const server = { ...join(node), datastore, snapshots, snapshotTarget, disable, first: index === 0 };
      return new K3sServer(node.host.nodeName, server, { parent: this });
    });
    const agents = args.agents.map((node) => new K3sAgent(node.host.nodeName, join(node), { parent: this }));

    this.kubeconfig = new Kubeconfig(
      `${name}-kubeconfig`,
      {
        clusterName,
        clusterId: identity.clusterId,
        servers: pulumi.all(serverHosts.map((host) => apiServer(host, publishedApi(host, this)))),
        ...(args.proxyUrl === undefined ? {} : { proxyUrl: args.proxyUrl }),
        ...waiting(serverHosts),
      },
      { parent: this, dependsOn: servers.map((server) => server.config) },
    );
    const endpoints = serverHosts.map((host) => publishedApi(host, this).url);
    const access = { kubeconfig: this.kubeconfig, endpoints, anchor: this.anchor };
    this.memberships = [...servers, ...agents].map((node) => node.admit(access));
    this.registerOutputs({ kubeconfig: this.kubeconfig.kubeconfig });
  }
}

/** As long as the slowest server may take. */
function waiting(servers: readonly Host[]): { readonly waitSeconds?: number } {
  const seconds = servers.flatMap(({ readySeconds }) => readySeconds ?? []);
  return seconds.length === 0 ? {} : { waitSeconds: Math.max(...seconds) };
}

function apiServer(
  host: Host,
  api: PublishedApi,
): pulumi.Output<{ nodeName: string; transport: Transport; url: string }> {
  return host.transport.apply((transport) => ({ nodeName: host.nodeName, transport, url: api.url }));
}

function publishedApi(host: Host, cluster: pulumi.Resource): PublishedApi {
  if (host.publishedApi === undefined) {
    throw new pulumi.ResourceError(
      `\`servers\`: ${host.nodeName} must publish its API, got no apiPort`,
      cluster,
    );
  }
  return host.publishedApi;
}
