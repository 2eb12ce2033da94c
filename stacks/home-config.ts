/** Nodes at home and what they stand on, with every default filled in. */
import type { Role } from "../components/render/names.ts";
import type { CoreosNodeFields } from "./coreos-schema.ts";
import type { ExistingNodeFields } from "./existing-schema.ts";
import type { HomeRuleFields } from "./home-rules.ts";
import type {
  FlatcarFields,
  LibvirtHostFields,
  LimaNodeFields,
  MacFields,
  VmNodeFields,
} from "./home-schema.ts";
import { allNodes, isCoreos, isExisting, isLima, isVm, type NodeFields } from "./machine-nodes.ts";

/** A node with its name and its part. */
export type Named<Fields> = Omit<Fields, "name"> & { readonly name: string; readonly role: Role };

export type VmNode = Named<VmNodeFields>;
export type LimaNode = Named<LimaNodeFields>;
export type ExistingNode = Named<ExistingNodeFields>;
export type CoreosNode = Named<CoreosNodeFields>;
export type HomeNode = VmNode | LimaNode | ExistingNode | CoreosNode;

export interface HomeConfig {
  /** Servers first, in the order of the configuration. */
  readonly nodes: readonly HomeNode[];
  readonly libvirtHosts: Readonly<Record<string, LibvirtHostFields>>;
  /** There where a node is a virtual machine on libvirt. */
  readonly flatcar: FlatcarFields | undefined;
  /** There where a node is a virtual machine of Lima's. */
  readonly mac: MacFields | undefined;
}

/** Of fields that the rules found nothing in. */
export function homeConfig(fields: HomeRuleFields): HomeConfig {
  const { libvirtHosts, flatcar, mac } = fields;
  const isHome = (
    node: NodeFields,
  ): node is VmNodeFields | LimaNodeFields | ExistingNodeFields | CoreosNodeFields =>
    isVm(node) || isLima(node) || isExisting(node) || isCoreos(node);
  const nodes = allNodes(fields).flatMap(({ name, role, node }): HomeNode[] =>
    isHome(node) ? [{ ...node, name, role }] : [],
  );
  return { nodes, libvirtHosts, flatcar, mac };
}
