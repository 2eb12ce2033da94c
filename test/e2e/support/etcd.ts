/** Members of the cluster's etcd, as one server sees them. */
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { inNetwork } from "./netns.ts";
import { mountpointOf } from "./podman.ts";

export interface Member {
  /** `<node>-<eight characters>`, k3s's way to tell an old member from a new one of the same node. */
  readonly name: string;
  readonly learner: boolean;
}

export async function membersOf(cluster: Cluster, server: string): Promise<readonly Member[]> {
  const data = await mountpointOf(cluster.volume(server));
  const certificates = join(data, "rancher/k3s/server/tls/etcd");
  const text = await inNetwork(await cluster.networkPid(server), "etcd-members.ts", [certificates]);
  return JSON.parse(text) as readonly Member[];
}

/** Node names of the voting members, sorted; a node that has two is there twice. */
export async function votersOf(cluster: Cluster, server: string): Promise<string[]> {
  const members = await membersOf(cluster, server);
  return members
    .filter(({ learner }) => !learner)
    .map(({ name }) => name.replace(/-[^-]*$/, ""))
    .sort();
}
