import { k3sPorts } from "../upstream/k3s.ts";
import { nodeTag } from "./names.ts";
import {
  at,
  closedPorts,
  list,
  nodeGrants,
  nodeTests,
  renderGrant,
  renderTest,
  stranger,
  type PolicyFacts,
  type PolicyTest,
} from "./tailnet-policy.ts";

export interface HeadscalePolicy extends PolicyFacts {
  /** The user that owns the cluster's tags. */
  readonly user: string;
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
  const owners = [`${policy.user}@`];
  const [server, agent] = [nodeTag(policy.clusterName, "server"), nodeTag(policy.clusterName, "agent")];
  return [
    "// Written by Homespan. Nodes reach nodes on exactly the ports k3s needs.",
    "{",
    `  "tagOwners": {`,
    `    ${JSON.stringify(server)}: ${list(owners)},`,
    `    ${JSON.stringify(agent)}: ${list(owners)},`,
    "  },",
    `  "grants": [`,
    ...nodeGrants(policy).flatMap(renderGrant),
    "  ],",
    `  "tests": [`,
    "    // an address that is no node of this cluster reaches nothing",
    ...strangers.map(renderTest),
    ...(policy.tests === "populated" ? nodeTests(policy).map(renderTest) : []),
    "  ],",
    "}",
    "",
  ].join("\n");
}

const strangers: readonly PolicyTest[] = [
  { src: stranger, proto: "tcp", verdict: "deny", to: at(firstNode, closedPorts) },
  { src: stranger, proto: "udp", verdict: "deny", to: at(firstNode, [k3sPorts.flannelVxlan]) },
];
