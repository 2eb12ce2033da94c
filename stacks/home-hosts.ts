/** Makes the hosts at home, and loads for it what their kinds need: no stack pays for a kind it does not have. */
import type * as pulumi from "@pulumi/pulumi";
import type { Artifact } from "../components/render/machine-files.ts";
import type { PodRoutes } from "../components/render/pod-network.ts";
import type { Tailnet } from "../components/shared/tailnet.ts";
import type { CoreosNode, ExistingNode, HomeConfig, HomeNode, LimaNode, VmNode } from "./home-config.ts";
import { isCoreos, isExisting, isLima, isVm } from "./machine-nodes.ts";
import type { MadeNode } from "./made-node.ts";

/** What every host is made with. */
export interface HomeParts {
  readonly clusterName: string;
  readonly tailnet: Tailnet;
  /** The cluster's key. */
  readonly publicKey: pulumi.Output<string>;
  readonly privateKey: pulumi.Output<string>;
  /** What machines download. */
  readonly artifacts: readonly Artifact[];
  /** Fingerprint of who signs images of virtual machines; undefined for Flatcar itself. */
  readonly imageSigner: string | undefined;
  readonly podRoutes: PodRoutes | undefined;
}

/** Makes all nodes of one kind. */
export type HomeMaker<Node> = (nodes: readonly Node[], home: HomeConfig, parts: HomeParts) => MadeNode[];

/** The makers of those kinds that a configuration has. */
export interface HomeMakers {
  readonly vm?: HomeMaker<VmNode>;
  readonly lima?: HomeMaker<LimaNode>;
  readonly existing?: HomeMaker<ExistingNode>;
  readonly coreos?: HomeMaker<CoreosNode>;
}

/** Before any resource is made: what is loaded takes time, and a program is told of it at once. */
export async function homeMakers({ nodes }: HomeConfig): Promise<HomeMakers> {
  const [vm, lima, existing, coreos] = await Promise.all([
    nodes.some(isVm) ? import("./home-vms.ts") : undefined,
    nodes.some(isLima) ? import("./home-lima.ts") : undefined,
    nodes.some(isExisting) ? import("./home-existing.ts") : undefined,
    nodes.some(isCoreos) ? import("./home-coreos.ts") : undefined,
  ]);
  return {
    ...(vm === undefined ? {} : { vm: vm.makeVms }),
    ...(lima === undefined ? {} : { lima: lima.makeLimaAgents }),
    ...(existing === undefined ? {} : { existing: existing.takeExisting }),
    ...(coreos === undefined ? {} : { coreos: coreos.takeCoreos }),
  };
}

/** All hosts at home, in the order of the configuration. */
export function homeHosts(home: HomeConfig, parts: HomeParts, makers: HomeMakers): MadeNode[] {
  const { nodes } = home;
  const made = [
    ...make(
      nodes.filter((node) => "vm" in node),
      home,
      parts,
      makers.vm,
    ),
    ...make(
      nodes.filter((node) => "lima" in node),
      home,
      parts,
      makers.lima,
    ),
    ...make(
      nodes.filter((node) => "existing" in node),
      home,
      parts,
      makers.existing,
    ),
    ...make(
      nodes.filter((node) => "coreos" in node),
      home,
      parts,
      makers.coreos,
    ),
  ];
  return nodes.flatMap(({ name }) => made.filter(({ node }) => node.name === name));
}

function make<Node extends HomeNode>(
  nodes: readonly Node[],
  home: HomeConfig,
  parts: HomeParts,
  maker: HomeMaker<Node> | undefined,
): MadeNode[] {
  if (nodes.length === 0) return [];
  if (maker === undefined)
    throw new Error("the makers of a home's hosts must be those of its own configuration");
  return maker(nodes, home, parts);
}
