/** Rules of the lightsail stack that join several fields. */
import { cloudKeyName, cloudNames } from "../components/render/names.ts";
import { lightsailBundles } from "../components/upstream/lightsail-prices.ts";
import {
  bundleVariants,
  lightsailNames,
  lightsailRegions,
  type LightsailRegion,
} from "../components/upstream/lightsail.ts";
import { fieldPath, type Problem } from "./grammar.ts";
import { homeRules, sitesOf } from "./home-rules.ts";
import { networkRules } from "./lightsail-network-rules.ts";
import { knownZones, placedNodes } from "./lightsail-nodes.ts";
import type { LightsailFields } from "./lightsail-schema.ts";
import { nodeField } from "./machine-nodes.ts";
import { machineOptionRules } from "./machine-option-rules.ts";
import { mirrorRules } from "./registry-mirrors.ts";
import { nodeRules, releaseRules, serverCount } from "./machine-rules.ts";
import { snapshotRules } from "./machine-snapshot-rules.ts";
import { tailnetRules } from "./machine-tailnet-rules.ts";
import type { Rule } from "./schema-check.ts";

type Placed = ReturnType<typeof placedNodes>[number];
type Check = (fields: LightsailFields) => Problem[];

export const lightsailRules: readonly Rule<LightsailFields>[] = [
  { needs: ["servers"], check: serverCount },
  ...nodeRules,
  { needs: ["region", "availabilityZone"], check: stackZone },
  { needs: ["region", "servers", "agents"], check: eachNode(nodeZone) },
  { needs: ["region", "servers", "agents"], check: eachNode(bundle) },
  { needs: ["servers", "agents"], check: eachNode(enoughMemory) },
  ...machineOptionRules,
  ...mirrorRules,
  ...snapshotRules,
  { needs: ["snapshots", "clusterName"], check: bucketNameFits },
  { needs: ["clusterName", "servers", "agents"], check: distinctCloudNames },
  { needs: ["clusterName", "servers", "agents"], check: diskNamesBeginWithLetter },
  ...releaseRules,
  { needs: ["ingress", "disable"], check: ingressNeedsServiceLb },
  ...tailnetRules,
  ...homeRules,
  { needs: ["region", "servers", "agents", "libvirtHosts", "mac"], check: standsElsewhere },
  ...networkRules,
];

function eachNode(check: (placed: Placed, fields: LightsailFields) => Problem[]): Check {
  return (fields) => placedNodes(fields).flatMap((placed) => check(placed, fields));
}

function stackZone({ region, availabilityZone }: LightsailFields): Problem[] {
  return availabilityZone === undefined ? [] : zoneProblems("availabilityZone", availabilityZone, region);
}

function nodeZone(placed: Placed, { region }: LightsailFields): Problem[] {
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

function bundle(placed: Placed, { region }: LightsailFields): Problem[] {
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
function enoughMemory(placed: Placed): Problem[] {
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
  const namesOf = ({ name, node }: Placed): string[] => {
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

/** Nodes of one site share a network, and no other machine is in Lightsail's. */
function standsElsewhere(fields: LightsailFields): Problem[] {
  const rule = "not be the region, whose private network only instances share";
  return sitesOf(fields)
    .filter(({ site }) => site === fields.region)
    .map(({ field, site }) => ({ field, rule, got: site }));
}

/** The cluster's name begins the bucket's, for which Lightsail has rules of its own. */
function bucketNameFits({ snapshots, clusterName }: LightsailFields): Problem[] {
  const rule =
    "have no two hyphens in a row where `snapshots.bucket` is of kind lightsail: it begins the bucket's name";
  return snapshots.bucket.kind === "lightsail" && clusterName.includes("--")
    ? [{ field: "clusterName", rule, got: clusterName }]
    : [];
}
