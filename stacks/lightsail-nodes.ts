/** What follows from a node's place in the lightsail stack's configuration. */
import type { Role } from "../components/render/names.ts";
import { lightsailRegions, type LightsailRegion } from "../components/upstream/lightsail.ts";
import { fieldPath } from "./grammar.ts";
import type { ExistingNodeFields } from "./existing-schema.ts";
import { isExisting, type LightsailFields, type LightsailNodeFields } from "./lightsail-schema.ts";

/** A node with where it stands in the configuration. */
export interface PlacedNode<Fields = LightsailNodeFields> {
  readonly role: Role;
  readonly name: string;
  /** `["servers", 0]` */
  readonly path: readonly PropertyKey[];
  readonly node: Fields;
}

type AnyFields = LightsailNodeFields | ExistingNodeFields;

/** Its own name, or that of its place counted from 1. */
export function nodeName(role: Role, node: Pick<AnyFields, "name">, index: number): string {
  return node.name ?? `${role}-${String(index + 1)}`;
}

/** All nodes, wherever they stand, servers first. */
export function allNodes({
  servers,
  agents,
}: Pick<LightsailFields, "servers" | "agents">): PlacedNode<AnyFields>[] {
  const placed = (role: Role, key: string, nodes: readonly AnyFields[]): PlacedNode<AnyFields>[] =>
    nodes.map((node, index) => ({ role, name: nodeName(role, node, index), path: [key, index], node }));
  return [...placed("server", "servers", servers), ...placed("agent", "agents", agents)];
}

/** The nodes on Lightsail, servers first. */
export function placedNodes(fields: Pick<LightsailFields, "servers" | "agents">): PlacedNode[] {
  return allNodes(fields).flatMap((placed) => {
    const { node } = placed;
    return isExisting(node) ? [] : [{ ...placed, node }];
  });
}

/** The nodes on machines that exist already. */
export function existingNodes(
  fields: Pick<LightsailFields, "servers" | "agents">,
): PlacedNode<ExistingNodeFields>[] {
  return allNodes(fields).flatMap((placed) => {
    const { node } = placed;
    return isExisting(node) ? [{ ...placed, node }] : [];
  });
}

/** Where a node's field stands, in the words of the configuration: `servers[0].bundleId`. */
export function nodeField({ path }: Pick<PlacedNode, "path">, field: string): string {
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
