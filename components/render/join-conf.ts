import type { Role } from "./names.ts";
import type { PodNetwork } from "./pod-network.ts";

/**
 * How a node enters its cluster.
 *
 * - `init`: start a new cluster with embedded etcd
 * - `single`: start a new cluster on SQLite
 * - `join`: join any of `servers`; with none reachable, wait and say so
 */
export type JoinMode = "init" | "single" | "join";

export interface JoinConf {
  readonly role: Role;
  readonly mode: JoinMode;
  /** Tailnet names of the servers that can be joined, this node excluded. */
  readonly servers: readonly string[];
  /** Names for the API certificate, to which the boot sequence adds the tailnet address. Servers only. */
  readonly tlsSans: readonly string[];
  /**
   * Address under which the world reaches the node, for `node-external-ip`.
   *
   * @default its address in the tailnet
   */
  readonly externalAddress?: string;
  /**
   * Whether the boot sequence makes the node a route to its pods.
   *
   * @default vxlan: it does not
   */
  readonly podNetwork?: PodNetwork;
}

/** `join.conf`: one KEY=value per line, parsed and never sourced. */
export function renderJoinConf(conf: JoinConf): string {
  const lines = [
    `ROLE=${conf.role}`,
    `MODE=${conf.mode}`,
    `SERVERS=${conf.servers.join(" ")}`,
    `SAN=${[...new Set(conf.tlsSans)].join(" ")}`,
    ...(conf.externalAddress === undefined ? [] : [`EXTERNAL_IP=${conf.externalAddress}`]),
    ...(conf.podNetwork === "routes" ? ["POD_NETWORK=routes"] : []),
  ];
  return lines.join("\n") + "\n";
}
