/** Rules of the homelab stack that join several fields. */
import { fieldPath, type Problem } from "./grammar.ts";
import { homeRules } from "./home-rules.ts";
import type { HomelabFields } from "./homelab-schema.ts";
import { allNodes, isCoreos, isVm, nodeField, nodesOf, type PlacedNode } from "./machine-nodes.ts";
import { machineOptionRules } from "./machine-option-rules.ts";
import { mirrorRules } from "./registry-mirrors.ts";
import { nodeRules, releaseRules, serverCount } from "./machine-rules.ts";
import { snapshotRules } from "./machine-snapshot-rules.ts";
import { tailnetRules } from "./machine-tailnet-rules.ts";
import type { VmNodeFields } from "./home-schema.ts";
import type { GivenSettings, Rule } from "./schema-check.ts";

export const homelabRules: readonly Rule<HomelabFields>[] = [
  { needs: ["join"], check: notItself },
  { needs: ["join", "servers"], check: serversOrJoin },
  { needs: ["join", "tailnet"], check: tailnetOfItsOwn },
  { needs: ["join"], check: leftToTheJoined },
  { needs: ["join", "extraConfig"], check: agentOptionsAlone },
  { needs: ["servers", "agents", "libvirtHosts"], check: serversAtOneSite },
  { needs: ["servers", "agents"], check: serversKeepTheirData },
  { needs: ["servers", "agents"], check: serverMemory },
  ...nodeRules,
  ...homeRules,
  ...machineOptionRules,
  ...mirrorRules,
  ...snapshotRules,
  ...releaseRules,
  ...tailnetRules.map(({ needs, check }) => ({
    needs,
    check: (fields: HomelabFields, settings: GivenSettings) =>
      fields.tailnet === undefined ? [] : check({ ...fields, tailnet: fields.tailnet }, settings),
  })),
];

function notItself({ join }: HomelabFields, { stackName }: GivenSettings): Problem[] {
  return join?.split("/").at(-1) === stackName
    ? [{ field: "join", rule: "name another stack than the one that joins", got: join }]
    : [];
}

function serversOrJoin({ join, servers }: HomelabFields): Problem[] {
  if (join === undefined) {
    if (servers.length > 0) return serverCount({ servers });
    const rule = "name a machine for a cluster of its own, or `join` the stack whose cluster the agents join";
    return [{ field: "servers", rule }];
  }
  const rule = `be left out with \`join\`: the servers are those of ${join}`;
  return servers.length === 0 ? [] : [{ field: "servers", rule, got: `${servers.length} servers` }];
}

function tailnetOfItsOwn({ join, tailnet }: HomelabFields): Problem[] {
  return join === undefined && tailnet === undefined
    ? [{ field: "tailnet", rule: "be a mapping with kind, tailscale or headscale" }]
    : [];
}

/** What is one for all nodes of a cluster comes from the stack that has the servers. */
const clusterWide = [
  ...["clusterName", "tailnet", "k3sVersion", "snapshots", "s3SecretAccessKey", "podSecurity"],
  ...["auditLog", "disable", "timeToLive", "podNetwork"],
];

function leftToTheJoined({ join }: HomelabFields, { values }: GivenSettings): Problem[] {
  if (join === undefined) return [];
  return clusterWide
    .filter((key) => key in values)
    .map((field) => ({ field, rule: `be left out with \`join\`: it is ${join}'s to say` }));
}

function agentOptionsAlone({ join, extraConfig }: HomelabFields): Problem[] {
  return join !== undefined && Object.keys(extraConfig.server).length > 0
    ? [{ field: "extraConfig.server", rule: `be left out with \`join\`: the servers are those of ${join}` }]
    : [];
}

const serversOf = (fields: HomelabFields): PlacedNode<VmNodeFields>[] =>
  nodesOf(fields, isVm).filter(({ role }) => role === "server");

function serversAtOneSite(fields: HomelabFields): Problem[] {
  const [first, ...others] = allNodes(fields).filter(({ role }) => role === "server");
  if (first === undefined) return [];
  const site = placeOf(first, fields)?.site;
  return others.flatMap((placed) => {
    const other = placeOf(placed, fields);
    return site === undefined || other?.site === undefined || other.site === site
      ? []
      : [
          {
            field: other.field,
            rule: `stand at the site of \`${fieldPath(first.path)}\`, ${site}: etcd does not bear the way between two sites`,
            got: other.got,
          },
        ];
  });
}

/** Where a server stands, and what says so. */
function placeOf(
  placed: PlacedNode,
  { libvirtHosts }: HomelabFields,
): { readonly field: string; readonly got: string; readonly site: string | undefined } | undefined {
  const { node } = placed;
  if (isCoreos(node)) {
    const { site } = node.coreos;
    return { field: nodeField(placed, "coreos", "site"), got: site, site };
  }
  if (!isVm(node)) return undefined;
  const { host } = node.vm;
  const site = libvirtHosts[host]?.site;
  return { field: nodeField(placed, "vm", "host"), got: `${host} (${site ?? ""})`, site };
}

/** The disk with the system is made anew with each image. */
function serversKeepTheirData(fields: HomelabFields): Problem[] {
  const rule =
    "be given, or `dataDevice`: etcd's data would go with the system's disk, which each new image replaces";
  return serversOf(fields).flatMap((placed) => {
    const { dataDiskGiB, dataDevice } = placed.node.vm;
    return dataDiskGiB === undefined && dataDevice === undefined
      ? [{ field: nodeField(placed, "vm", "dataDiskGiB"), rule }]
      : [];
  });
}

const leastServerMemoryMiB = 2048;

/** https://docs.k3s.io/installation/requirements#hardware, with etcd, tailscaled and what Kubernetes itself runs. */
function serverMemory(fields: HomelabFields): Problem[] {
  return serversOf(fields)
    .filter(({ node }) => node.vm.memoryMiB < leastServerMemoryMiB)
    .map((placed) => ({
      field: nodeField(placed, "vm", "memoryMiB"),
      rule: `be at least ${leastServerMemoryMiB} for a k3s server`,
      got: placed.node.vm.memoryMiB,
    }));
}
