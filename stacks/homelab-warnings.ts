/** What a homelab configuration may do, and what its owner should know about it. */
import { isVm, nodesOf } from "./machine-nodes.ts";
import type { HomelabFields } from "./homelab-schema.ts";
import { twoServers, type Warning } from "./warnings.ts";

export function homelabWarnings(fields: HomelabFields): Warning[] {
  return [twoServers, oneHost, snapshotsGoWithTheServers].flatMap((check) => check(fields));
}

function oneHost(fields: HomelabFields): Warning[] {
  const hosts = nodesOf(fields, isVm).flatMap(({ role, node }) => (role === "server" ? [node.vm.host] : []));
  const [host = ""] = hosts;
  return hosts.length > 2 && new Set(hosts).size === 1
    ? [
        {
          field: "servers",
          text: `all ${hosts.length} are virtual machines of ${host}: its failure stops the API; give them hosts of their own`,
        },
      ]
    : [];
}

function snapshotsGoWithTheServers({ join, servers, snapshots }: HomelabFields): Warning[] {
  const text =
    "snapshots of etcd stay on the servers' own disks, and are lost with them; a bucket of kind s3 keeps them";
  return join === undefined && servers.length > 0 && snapshots.bucket.kind === "none"
    ? [{ field: "snapshots.bucket", text }]
    : [];
}
