/** What a lightsail configuration may do, and what its owner should know about it. */
import { lightsailBundles } from "../components/upstream/lightsail-prices.ts";
import { lightsailQuotas, lightsailRegions, type LightsailRegion } from "../components/upstream/lightsail.ts";
import { placedNodes, zoneOf } from "./lightsail-nodes.ts";
import type { LightsailFields } from "./lightsail-schema.ts";
import { nodeField } from "./machine-nodes.ts";
import { twoServers, type Warning } from "./warnings.ts";

export function lightsailWarnings(fields: LightsailFields): Warning[] {
  return [twoServers, oneZone, previousGeneration, unconfirmedBundles, quotas].flatMap((check) =>
    check(fields),
  );
}

function oneZone(fields: LightsailFields): Warning[] {
  const zones = new Set(fields.servers.map((node) => zoneOf(fields, node)));
  const [zone = ""] = zones;
  return fields.servers.length > 2 && zones.size === 1
    ? [
        {
          field: "servers",
          text: `all ${fields.servers.length} stand in ${zone}: its failure stops the API; give them zones of their own`,
        },
      ]
    : [];
}

function previousGeneration(fields: LightsailFields): Warning[] {
  return placedNodes(fields).flatMap((placed) => {
    const { bundleId } = placed.node;
    return lightsailBundles.get(bundleId)?.previousGeneration === true
      ? [
          {
            field: nodeField(placed, "bundleId"),
            text: `${bundleId} is of the generation before 29 June 2023, which Lightsail may refuse for a new instance; ${bundleId.replace("_2_", "_3_")} costs the same`,
          },
        ]
      : [];
  });
}

function unconfirmedBundles(fields: LightsailFields): Warning[] {
  const region: LightsailRegion = lightsailRegions[fields.region];
  return region.bundleVariant === undefined
    ? [
        {
          field: "region",
          text: `which ids bundles have in ${fields.region} is not known here; compare with: aws lightsail get-bundles --region ${fields.region}`,
        },
      ]
    : [];
}

function quotas(fields: LightsailFields): Warning[] {
  const nodes = placedNodes(fields);
  const vCpus = nodes.reduce((sum, { node }) => sum + (lightsailBundles.get(node.bundleId)?.vCpus ?? 0), 0);
  const diskGiB = nodes.reduce((sum, { node }) => sum + (node.diskGiB ?? 0), 0);
  const { staticIpsPerRegion, vCpusPerRegion, attachedDiskGiBPerRegion } = lightsailQuotas;
  const over = [
    ...(nodes.length > staticIpsPerRegion ? [`${nodes.length} static IPs of ${staticIpsPerRegion}`] : []),
    ...(vCpus > vCpusPerRegion ? [`${vCpus} vCPUs of ${vCpusPerRegion}`] : []),
    ...(diskGiB > attachedDiskGiBPerRegion ? [`${diskGiB} GiB of disks of ${attachedDiskGiBPerRegion}`] : []),
  ];
  return over.map((what) => ({
    field: "servers",
    text: `with the agents they need ${what} that an account has in a region unless AWS raised its quota`,
  }));
}
