/** Rules of the lightsail stack that join several fields. */
import { cloudKeyName, cloudNames, operatorNode, tailnetHostName } from "../components/render/names.ts";
import { k3sDownloads } from "../components/upstream/artifacts.ts";
import { ownedHardenedKubeletArguments } from "../components/upstream/hardening.ts";
import { k3sOptions } from "../components/upstream/k3s-options.ts";
import { lightsailBundles } from "../components/upstream/lightsail-prices.ts";
import {
  bundleVariants,
  lightsailNames,
  lightsailRegions,
  type LightsailRegion,
} from "../components/upstream/lightsail.ts";
import { fieldPath, type Problem } from "./grammar.ts";
import { existingRules } from "./existing-rules.ts";
import { allNodes, knownZones, nodeField, placedNodes, type PlacedNode } from "./lightsail-nodes.ts";
import { networkRules } from "./lightsail-network-rules.ts";
import { snapshotRules } from "./lightsail-snapshot-rules.ts";
import type { LightsailFields } from "./lightsail-schema.ts";
import { tailnetRules } from "./lightsail-tailnet-rules.ts";
import { freeKubeletArguments, freeLabels } from "./node-rules.ts";
import { freeArguments, freeOptions } from "./option-rules.ts";
import { onePodCidr } from "./pod-network.ts";
import type { Rule } from "./schema-check.ts";

type Check = (fields: LightsailFields) => Problem[];

export const lightsailRules: readonly Rule<LightsailFields>[] = [
  { needs: ["servers"], check: serverCount },
  { needs: ["servers", "agents"], check: uniqueNames },
  { needs: ["clusterName", "servers", "agents"], check: hostNamesFit },
  { needs: ["region", "availabilityZone"], check: stackZone },
  { needs: ["region", "servers", "agents"], check: eachNode(nodeZone) },
  { needs: ["region", "servers", "agents"], check: eachNode(bundle) },
  { needs: ["servers", "agents"], check: eachNode(enoughMemory) },
  { needs: ["servers", "agents"], check: everyNode(({ path, node }) => freeLabels(path, node)) },
  { needs: ["servers", "agents"], check: everyNode(kubeletArguments) },
  { needs: ["extraConfig", "snapshots"], check: freeExtraConfig },
  ...snapshotRules,
  { needs: ["extraConfig"], check: ({ extraConfig }) => freeArguments(extraConfig) },
  { needs: ["podNetwork", "extraConfig"], check: onePodCidr },
  { needs: ["clusterName", "servers", "agents"], check: distinctCloudNames },
  { needs: ["clusterName", "servers", "agents"], check: diskNamesBeginWithLetter },
  { needs: ["servers", "agents"], check: everyNode(notTheOperator) },
  { needs: ["k3sVersion"], check: pinnedRelease },
  { needs: ["ingress", "disable"], check: ingressNeedsServiceLb },
  ...tailnetRules,
  ...existingRules,
  ...networkRules,
];

/** With a bucket of the stack's own, k3s's options for one are the topology's. */
function freeExtraConfig({ extraConfig, snapshots }: LightsailFields): Problem[] {
  const own = snapshots.bucket.kind === "none" ? ownOptions : { ...bucketOptions, ...ownOptions };
  return freeOptions(extraConfig, own);
}

const bucketOptions = Object.fromEntries(
  Object.keys(k3sOptions)
    .filter((name) => name === "etcd-s3" || name.startsWith("etcd-s3-"))
    .map((name) => [name, "use `snapshots.bucket`, or its kind none"]),
);

/** Where this stack's keys differ from what other stacks say of an option. */
const ownOptions: Readonly<Record<string, string>> = {
  "cluster-init": "the datastore is always embedded etcd",
  "datastore-endpoint": "the datastore is always embedded etcd",
  "disable-agent": "every server is a node, taint it with `servers[n].taints`",
  "https-listen-port": "the API is reached over the tailnet on its usual port",
  "kubelet-arg": "use `servers[n].kubeletArgs`",
  "node-label": "use `servers[n].labels`",
  "node-taint": "use `servers[n].taints`",
  "protect-kernel-defaults": "the boot sequence gives the kernel the settings that the kubelet wants",
  "etcd-disable-snapshots": "use `snapshots`",
  "etcd-snapshot-schedule-cron": "use `snapshots.schedule`",
  "etcd-snapshot-retention": "use `snapshots.keep`",
};

function eachNode(check: (placed: PlacedNode, fields: LightsailFields) => Problem[]): Check {
  return (fields) => placedNodes(fields).flatMap((placed) => check(placed, fields));
}

/** Also of nodes that stand elsewhere. */
function everyNode(check: (placed: ReturnType<typeof allNodes>[number]) => Problem[]): Check {
  return (fields) => allNodes(fields).flatMap(check);
}

function kubeletArguments({ path, node }: ReturnType<typeof allNodes>[number]): Problem[] {
  return freeKubeletArguments(path, node, ownedHardenedKubeletArguments);
}

function serverCount({ servers }: LightsailFields): Problem[] {
  const rule =
    "be a list of 1, 2, 3 or 5 servers: four or six etcd members survive no more losses than three or five";
  return [1, 2, 3, 5].includes(servers.length)
    ? []
    : [{ field: "servers", rule, got: `${servers.length} servers` }];
}

function uniqueNames(fields: LightsailFields): Problem[] {
  const nodes = allNodes(fields);
  return nodes.flatMap((placed, index) => {
    const first = nodes.slice(0, index).find(({ name }) => name === placed.name);
    return first === undefined
      ? []
      : [
          {
            field: nodeField(placed, "name"),
            rule: `be unique (\`${fieldPath(first.path)}\` has it too)`,
            got: placed.name,
          },
        ];
  });
}

function hostNamesFit(fields: LightsailFields): Problem[] {
  return allNodes(fields)
    .filter(({ name }) => tailnetHostName(fields.clusterName, name).length > 63)
    .map((placed) => ({
      field: nodeField(placed, "name"),
      rule: `be at most ${62 - fields.clusterName.length} characters, so that <cluster>-<node> fits into 63`,
      got: placed.name,
    }));
}

function stackZone({ region, availabilityZone }: LightsailFields): Problem[] {
  return availabilityZone === undefined ? [] : zoneProblems("availabilityZone", availabilityZone, region);
}

function nodeZone(placed: PlacedNode, { region }: LightsailFields): Problem[] {
  const { availabilityZone } = placed.node;
  return availabilityZone === undefined
    ? []
    : zoneProblems(nodeField(placed, "availabilityZone"), availabilityZone, region);
}

/** All nodes of the stack stand in one region: etcd does not bear the way between two. */
function zoneProblems(field: string, zone: string, region: LightsailFields["region"]): Problem[] {
  const zones = knownZones(region);
  if (zones === undefined ? new RegExp(`^${region}[a-f]$`).test(zone) : zones.includes(zone)) return [];
  const rule = `be a zone of ${region}, where all nodes stand`;
  return zones === undefined
    ? [{ field, rule, got: zone }]
    : [{ field, rule: `${rule} (${zones.join(", ")})`, got: zone, candidates: zones }];
}

function bundle(placed: PlacedNode, { region }: LightsailFields): Problem[] {
  const { bundleId } = placed.node;
  const field = nodeField(placed, "bundleId");
  const offered = bundleIdsIn(region);
  if (offered.includes(bundleId)) return [];
  if (bundleId.includes("_win_")) {
    return [{ field, rule: "be a Linux bundle", got: bundleId, candidates: offered }];
  }
  const withIpv4 = bundleId.replace("_ipv6", "");
  if (withIpv4 !== bundleId) {
    const rule = `be a bundle with an IPv4 address, because nodes here have no other (${withIpv4})`;
    return [{ field, rule, got: bundleId }];
  }
  const suffix = lightsailBundles.has(bundleId)
    ? ` (general purpose ones end in _3_${bundleVariantsIn(region).join(" or _3_")})`
    : "";
  return [
    {
      field,
      rule: `be a bundle that ${region} offers${suffix}`,
      got: bundleId,
      candidates: offered,
    },
  ];
}

function bundleVariantsIn(region: LightsailFields["region"]): readonly string[] {
  const { bundleVariant }: LightsailRegion = lightsailRegions[region];
  return bundleVariant === undefined ? bundleVariants : [bundleVariant];
}

function bundleIdsIn(region: LightsailFields["region"]): string[] {
  const variants = bundleVariantsIn(region);
  return [...lightsailBundles.keys()].filter(
    (id) => id.endsWith("_1_0") || variants.some((variant) => id.endsWith(`_${variant}`)),
  );
}

const leastMemoryMiB = { server: 2048, agent: 1024 } as const;

/** https://docs.k3s.io/installation/requirements#hardware, with etcd, tailscaled and what Kubernetes itself runs. */
function enoughMemory(placed: PlacedNode): Problem[] {
  const { bundleId } = placed.node;
  const memoryMiB = lightsailBundles.get(bundleId)?.memoryMiB;
  const least = leastMemoryMiB[placed.role];
  return memoryMiB === undefined || memoryMiB >= least
    ? []
    : [
        {
          field: nodeField(placed, "bundleId"),
          rule: `have at least ${least} MiB of memory for a k3s ${placed.role}, not ${memoryMiB}`,
          got: bundleId,
        },
      ];
}

/** A cloud object's name is the only one of its name in the region, whatever kind of object it is. */
function distinctCloudNames(fields: LightsailFields): Problem[] {
  const { clusterName } = fields;
  const namesOf = ({ name, node }: PlacedNode): string[] => {
    const { instance, address, disk } = cloudNames(clusterName, name);
    return [instance, address, ...(node.diskGiB === undefined ? [] : [disk])];
  };
  const nodes = placedNodes(fields);
  return nodes.flatMap((placed) => {
    const others = [
      cloudKeyName(clusterName),
      ...nodes.filter(({ name }) => name !== placed.name).flatMap(namesOf),
    ];
    const { instance } = cloudNames(clusterName, placed.name);
    const rule = `not give the instance a name that another object of the cluster has, ${instance}`;
    return others.includes(instance) ? [{ field: nodeField(placed, "name"), rule, got: placed.name }] : [];
  });
}

function diskNamesBeginWithLetter(fields: LightsailFields): Problem[] {
  const { clusterName } = fields;
  const disk = placedNodes(fields).find(({ node }) => node.diskGiB !== undefined);
  return disk === undefined || lightsailNames.disk.test(cloudNames(clusterName, disk.name).disk)
    ? []
    : [
        {
          field: "clusterName",
          rule: `begin with a letter where a node has diskGiB (\`${fieldPath(disk.path)}\`): it begins the name of the disk`,
          got: clusterName,
        },
      ];
}

function notTheOperator(placed: Pick<PlacedNode, "name" | "path">): Problem[] {
  const rule = "not be the name of the machine that runs Pulumi in the tailnet";
  return placed.name === operatorNode ? [{ field: nodeField(placed, "name"), rule, got: placed.name }] : [];
}

function pinnedRelease({ k3sVersion }: LightsailFields): Problem[] {
  const releases = Object.keys(k3sDownloads);
  return k3sVersion === undefined || releases.includes(k3sVersion)
    ? []
    : [
        {
          field: "k3sVersion",
          rule: `be a release whose checksum is known here (${releases.join(", ")})`,
          got: k3sVersion,
          candidates: releases,
        },
      ];
}

function ingressNeedsServiceLb({ ingress, disable }: LightsailFields): Problem[] {
  return ingress && disable?.includes("servicelb") === true
    ? [
        {
          field: "disable",
          rule: "leave servicelb on with `ingress: true`, which it serves",
          got: "servicelb",
        },
      ]
    : [];
}
