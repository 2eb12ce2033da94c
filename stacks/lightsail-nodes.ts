/** What follows from a node's place in the lightsail stack's configuration. */
import type { Role } from "../components/render/names.ts";
import { lightsailRegions, type LightsailRegion } from "../components/upstream/lightsail.ts";
import { fieldPath } from "./grammar.ts";
import type { LightsailFields, LightsailNodeFields } from "./lightsail-schema.ts";

/** A node with where it stands in the configuration. */
export interface PlacedNode {
  readonly role: Role;
  readonly name: string;
  /** `["servers", 0]` */
  readonly path: readonly PropertyKey[];
  readonly node: LightsailNodeFields;
}

/** Its own name, or that of its place counted from 1. */
export function nodeName(role: Role, node: LightsailNodeFields, index: number): string {
  return node.name ?? `${role}-${String(index + 1)}`;
}

/** All nodes, servers first. */
export function placedNodes({ servers, agents }: Pick<LightsailFields, "servers" | "agents">): PlacedNode[] {
  const placed = (role: Role, key: string, nodes: readonly LightsailNodeFields[]): PlacedNode[] =>
    nodes.map((node, index) => ({ role, name: nodeName(role, node, index), path: [key, index], node }));
  return [...placed("server", "servers", servers), ...placed("agent", "agents", agents)];
}

/** Where a node's field stands, in the words of the configuration: `servers[0].bundleId`. */
export function nodeField({ path }: PlacedNode, field: string): string {
  return fieldPath([...path, field]);
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
