/** What follows from a Lightsail node's place in the configuration. */
import { lightsailRegions, type LightsailRegion } from "../components/upstream/lightsail.ts";
import type { LightsailFields, LightsailNodeFields } from "./lightsail-schema.ts";
import { nodesOf, type NodeFields, type PlacedNode } from "./machine-nodes.ts";

const isInstance = (node: NodeFields): node is LightsailNodeFields => "bundleId" in node;

/** The nodes on Lightsail, servers first. */
export function placedNodes(
  fields: Pick<LightsailFields, "servers" | "agents">,
): PlacedNode<LightsailNodeFields>[] {
  return nodesOf(fields, isInstance);
}

/** The Availability Zone of a node: its own, the stack's, or the region's first. */
export function zoneOf(
  { region, availabilityZone }: Pick<LightsailFields, "region" | "availabilityZone">,
  node: LightsailNodeFields,
): string {
  return node.availabilityZone ?? availabilityZone ?? `${region}a`;
}

/** The region's zones, or undefined where its letters could not be confirmed. */
export function knownZones(region: LightsailFields["region"]): string[] | undefined {
  const { zones }: LightsailRegion = lightsailRegions[region];
  return zones === undefined ? undefined : Array.from(zones, (letter) => `${region}${letter}`);
}
