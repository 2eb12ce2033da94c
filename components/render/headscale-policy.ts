import { nodeTag, operatorTag } from "./names.ts";
import {
  adminGrants,
  at,
  bearsMark,
  closedPodNetwork,
  closedPorts,
  list,
  nodeGrants,
  nodeTests,
  policyMark,
  renderGrant,
  renderTest,
  routeApprovers,
  stranger,
  type PolicyFacts,
  type PolicyTest,
} from "./tailnet-policy.ts";

export interface HeadscalePolicy extends PolicyFacts {
  /** The user that owns the cluster's tags. */
  readonly user: string;
  /**
   * Who reaches the API and SSH of the nodes, users and groups, beside the machine that runs Pulumi.
   *
   * @default nobody, and no such machine: the cluster is reached by other ways than its tailnet
   */
  readonly admins?: readonly string[];
  /**
   * `resolvable`: only tests that hold in an empty tailnet, because Headscale rejects a policy whose tests name a tag
   * without a node. `populated`: also what servers and agents must reach; needs one node of each role.
   */
  readonly tests: "resolvable" | "populated";
}

/** The address of the first node: allocation is sequential. A test's destination must be one host, not a range. */
const firstNode = "100.64.0.1";

/**
 * The tailnet's policy: nodes reach nodes on exactly the ports k3s needs, and nothing else is reachable.
 *
 * https://headscale.net/stable/ref/policy/ (grants and tests: from 0.29 on)
 */
export function renderHeadscalePolicy(policy: HeadscalePolicy): string {
  const { clusterName, admins } = policy;
  const nodeTags = [nodeTag(clusterName, "server"), nodeTag(clusterName, "agent")];
  const tags = admins === undefined ? nodeTags : [...nodeTags, operatorTag(clusterName)];
  const access = admins === undefined ? [] : adminGrants({ ...policy, admins });
  return [
    policyMark(clusterName),
    `// Nodes reach nodes on exactly the ports k3s needs${admins === undefined ? "" : ", administrators the API and SSH"}.`,
    "{",
    `  "tagOwners": {`,
    ...tags.map((tag) => `    ${JSON.stringify(tag)}: ${list([`${policy.user}@`])},`),
    "  },",
    ...routeApprovers(policy),
    `  "grants": [`,
    ...[...nodeGrants(policy), ...access].flatMap(renderGrant),
    "  ],",
    `  "tests": [`,
    "    // an address that is no node of this cluster reaches nothing",
    ...strangerTests(policy).map(renderTest),
    ...(policy.tests === "populated" ? nodeTests(policy).map(renderTest) : []),
    "  ],",
    "}",
    "",
  ].join("\n");
}

/**
 * What a cluster leaves behind on a server that is not its own: the same as no policy, which the API cannot set again, as
 * it takes an empty text for no change.
 */
export const openPolicy = [
  "// Left by Homespan when its cluster went: as without a policy, everyone reaches everyone.",
  `{ "acls": [{ "action": "accept", "src": ["*"], "dst": ["*:*"] }] }`,
  "",
].join("\n");

/** Whether a cluster's policy may take the place of this one: nobody wrote it, or Homespan did for this cluster. */
export function isFree(policy: string, clusterName: string): boolean {
  return policy.trim() === "" || policy === openPolicy || bearsMark(policy, clusterName);
}

function strangerTests(policy: PolicyFacts): PolicyTest[] {
  return [
    { src: stranger, proto: "tcp", verdict: "deny", to: at(firstNode, closedPorts) },
    closedPodNetwork(policy, stranger, [firstNode]),
  ];
}
