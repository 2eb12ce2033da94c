/** Rules of every stack of machines that join several fields. */
import { operatorNode, tailnetHostName } from "../components/render/names.ts";
import { k3sDownloads } from "../components/upstream/artifacts.ts";
import { ownedHardenedKubeletArguments } from "../components/upstream/hardening.ts";
import { fieldPath, type Problem } from "./grammar.ts";
import { allNodes, nodeField, type NodeLists, type PlacedNode } from "./machine-nodes.ts";
import { freeKubeletArguments, freeLabels } from "./node-rules.ts";
import type { Rule } from "./schema-check.ts";

interface NamedNodes extends NodeLists {
  readonly clusterName: string;
}

/** About nodes, whatever they stand on. */
export const nodeRules: readonly Rule<NamedNodes>[] = [
  { needs: ["servers", "agents"], check: uniqueNames },
  { needs: ["clusterName", "servers", "agents"], check: hostNamesFit },
  { needs: ["servers", "agents"], check: everyNode(({ path, node }) => freeLabels(path, node)) },
  { needs: ["servers", "agents"], check: everyNode(kubeletArguments) },
  { needs: ["servers", "agents"], check: everyNode(notTheOperator) },
];

/** About the release all of them run. */
export const releaseRules: readonly Rule<{ readonly k3sVersion: string | undefined }>[] = [
  { needs: ["k3sVersion"], check: ({ k3sVersion }) => pinnedRelease(k3sVersion) },
];

function everyNode(check: (placed: PlacedNode) => Problem[]): (fields: NodeLists) => Problem[] {
  return (fields) => allNodes(fields).flatMap(check);
}

/** etcd's members: four lose no more than three. */
export function serverCount({ servers }: Pick<NodeLists, "servers">): Problem[] {
  const rule =
    "be a list of 1, 2, 3 or 5 servers: four or six etcd members survive no more losses than three or five";
  return [1, 2, 3, 5].includes(servers.length)
    ? []
    : [{ field: "servers", rule, got: `${servers.length} servers` }];
}

function uniqueNames(fields: NodeLists): Problem[] {
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

function hostNamesFit(fields: NamedNodes): Problem[] {
  return allNodes(fields)
    .filter(({ name }) => tailnetHostName(fields.clusterName, name).length > 63)
    .map((placed) => ({
      field: nodeField(placed, "name"),
      rule: `be at most ${62 - fields.clusterName.length} characters, so that <cluster>-<node> fits into 63`,
      got: placed.name,
    }));
}

function kubeletArguments({ path, node }: PlacedNode): Problem[] {
  return freeKubeletArguments(path, node, ownedHardenedKubeletArguments);
}

function notTheOperator(placed: PlacedNode): Problem[] {
  const rule = "not be the name of the machine that runs Pulumi in the tailnet";
  return placed.name === operatorNode ? [{ field: nodeField(placed, "name"), rule, got: placed.name }] : [];
}

function pinnedRelease(k3sVersion: string | undefined): Problem[] {
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
