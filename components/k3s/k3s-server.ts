import * as pulumi from "@pulumi/pulumi";
import { pathBelowData } from "../render/host-paths.ts";
import type { JoinConf, JoinMode } from "../render/join-conf.ts";
import type { Snapshots } from "../render/k3s-config.ts";
import { renderSnapshots, type SnapshotTarget } from "../render/k3s-snapshots.ts";
import type { Host } from "../shared/host.ts";
import { k3sPaths, type Datastore } from "../upstream/k3s.ts";
import type { ClusterAccess, JoinArgs } from "./join-args.ts";
import type { ClusterIdentity } from "./cluster-identity.ts";
import { membership, nodeConfig, type RoleConfig } from "./join-resources.ts";
import type { Membership } from "./membership.ts";
import type { NodeConfig } from "./node-config.ts";

export interface K3sServerArgs extends JoinArgs {
  readonly identity: ClusterIdentity;
  /** Same for all servers of a cluster. */
  readonly datastore: Datastore;
  /** True for the one server that starts the cluster, as long as no server ever has. */
  readonly first: boolean;
  /**
   * Packaged components k3s does not deploy.
   *
   * @default none
   */
  readonly disable?: readonly string[];
  /**
   * When etcd is snapshotted to the server's own disk, and how many of these it keeps. A change restarts k3s.
   *
   * @default k3s's own: every twelve hours, five
   */
  readonly snapshots?: Snapshots | undefined;
  /**
   * The bucket that takes a copy of each snapshot. A change restarts k3s. Secret.
   *
   * @default none: snapshots stay on the server's own disk
   */
  readonly snapshotTarget?: pulumi.Output<SnapshotTarget> | undefined;
}

/** Makes a k3s server of a host. */
export class K3sServer extends pulumi.ComponentResource {
  readonly host: Host;
  readonly config: NodeConfig;
  readonly #name: string;
  readonly #args: K3sServerArgs;

  constructor(name: string, args: K3sServerArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:k3s:K3sServer", name, {}, options);
    this.#name = name;
    this.#args = args;
    this.host = args.host;
    this.config = nodeConfig(name, args, roleConfig(args), this);
    this.registerOutputs({ nodeName: args.host.nodeName });
  }

  /** Declares the server a member of the cluster that `access` leads to. */
  admit(access: ClusterAccess): Membership {
    const node = { role: "server", etcd: this.#args.datastore === "etcd", config: this.config } as const;
    return membership(this.#name, this.#args, node, access, this);
  }
}

function roleConfig(args: K3sServerArgs): RoleConfig {
  const { host, identity } = args;
  const tlsSans = [
    host.fullyQualifiedName,
    host.hostName,
    ...(host.publishedApi === undefined ? [] : [host.publishedApi.address]),
  ];
  const conf = (mode: JoinMode): JoinConf => ({ role: "server", mode, servers: args.servers, tlsSans });
  return {
    k3s: {
      role: "server",
      nodeName: host.nodeName,
      paths: host.paths,
      restrictions: host.restrictions,
      kubeletArgs: args.kubeletArgs ?? [],
      extraConfig: args.extraConfig ?? {},
      hardening: args.hardening,
      podRoutes: args.podRoutes,
      disable: args.disable ?? [],
      tlsSans,
      snapshots: args.snapshots,
    },
    fresh: conf(firstMode(args)),
    initialised: conf("join"),
    secretFiles: {
      [`${host.paths.secrets}/server-token`]: identity.serverToken,
      [`${host.paths.secrets}/agent-token`]: identity.agentToken,
      ...(args.snapshotTarget === undefined
        ? {}
        : { [pathBelowData(host.paths, k3sPaths.snapshots)]: args.snapshotTarget.apply(renderSnapshots) }),
    },
  };
}

function firstMode(args: K3sServerArgs): JoinMode {
  if (!args.first) {
    return "join";
  }
  return args.datastore === "etcd" ? "init" : "single";
}
