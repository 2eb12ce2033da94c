/** What follows from a node's place in the configuration of a stack of machines. */
import type { Role } from "../components/render/names.ts";
import type { CoreosNodeFields } from "./coreos-schema.ts";
import type { ExistingNodeFields } from "./existing-schema.ts";
import { fieldPath } from "./grammar.ts";
import type { LimaNodeFields, VmNodeFields } from "./home-schema.ts";

/** What every node has, whatever it stands on. */
export interface NodeFields {
  readonly name?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly string[];
  readonly kubeletArgs: readonly string[];
}

/** The nodes of a stack. */
export interface NodeLists<Fields extends NodeFields = NodeFields> {
  readonly servers: readonly Fields[];
  readonly agents: readonly Fields[];
}

/** A node with where it stands in the configuration. */
export interface PlacedNode<Fields extends NodeFields = NodeFields> {
  readonly role: Role;
  readonly name: string;
  /** `["servers", 0]` */
  readonly path: readonly PropertyKey[];
  readonly node: Fields;
}

/** Its own name, or that of its place counted from 1. */
export function nodeName(role: Role, node: Pick<NodeFields, "name">, index: number): string {
  return node.name ?? `${role}-${String(index + 1)}`;
}

/** All nodes, whatever they stand on, servers first. */
export function allNodes<Fields extends NodeFields>(lists: NodeLists<Fields>): PlacedNode<Fields>[] {
  const placed = (role: Role, key: string, nodes: readonly Fields[]): PlacedNode<Fields>[] =>
    nodes.map((node, index) => ({ role, name: nodeName(role, node, index), path: [key, index], node }));
  return [...placed("server", "servers", lists.servers), ...placed("agent", "agents", lists.agents)];
}

/** The nodes of one kind, servers first. */
export function nodesOf<Fields extends NodeFields>(
  lists: NodeLists,
  isOfKind: (node: NodeFields) => node is Fields,
): PlacedNode<Fields>[] {
  return allNodes(lists).flatMap((placed) => {
    const { node } = placed;
    return isOfKind(node) ? [{ ...placed, node }] : [];
  });
}

/** On a machine that exists already. */
export const isExisting = (node: NodeFields): node is ExistingNodeFields => "existing" in node;
/** On a machine that somebody installs with Fedora CoreOS. */
export const isCoreos = (node: NodeFields): node is CoreosNodeFields => "coreos" in node;
/** A virtual machine on libvirt. */
export const isVm = (node: NodeFields): node is VmNodeFields => "vm" in node;
/** A virtual machine on the Mac. */
export const isLima = (node: NodeFields): node is LimaNodeFields => "lima" in node;

/** Where a node's field stands, in the words of the configuration: `servers[0].bundleId`. */
export function nodeField({ path }: Pick<PlacedNode, "path">, ...field: readonly PropertyKey[]): string {
  return fieldPath([...path, ...field]);
}
