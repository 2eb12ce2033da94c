import { k3sPorts } from "../upstream/k3s.ts";
import { nodeTag, operatorTag } from "./names.ts";
import {
  adminGrants,
  at,
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
  type AccessFacts,
  type PolicyFacts,
  type PolicyTest,
} from "./tailnet-policy.ts";

export interface TailscalePolicy extends AccessFacts {
  /** Who may give the cluster's tags to a device: users, groups, autogroups. */
  readonly tagOwners: readonly string[];
}

/**
 * A tailnet's policy that holds one cluster and nothing else, with tests that Tailscale runs before it accepts it. It is
 * also what has to be merged into the policy of a tailnet that holds more.
 *
 * https://tailscale.com/kb/1337/policy-syntax
 */
export function renderTailscalePolicy(policy: TailscalePolicy): string {
  const { clusterName } = policy;
  const tags = [nodeTag(clusterName, "server"), nodeTag(clusterName, "agent"), operatorTag(clusterName)];
  return [
    policyMark(clusterName),
    "// Nodes reach nodes on exactly the ports k3s needs, administrators the API and SSH.",
    "{",
    `  "hosts": { ${JSON.stringify(strangerName(policy))}: "${stranger}" },`,
    `  "tagOwners": {`,
    ...tags.map((tag) => `    ${JSON.stringify(tag)}: ${list(policy.tagOwners)},`),
    "  },",
    ...routeApprovers(policy),
    `  "grants": [`,
    ...[...nodeGrants(policy), ...adminGrants(policy)].flatMap(renderGrant),
    "  ],",
    "  // SSH is that of the machines; Tailscale's own is not used",
    `  "ssh": [],`,
    `  "tests": [`,
    ...[...nodeTests(policy), ...adminTests(policy)].map(renderTest),
    "    // an address that is no node of this cluster reaches nothing",
    ...strangerTests(policy).map(renderTest),
    "  ],",
    "}",
    "",
  ].join("\n");
}

/** Tests name their source by an alias: a bare address is none of the sources they take. */
function strangerName({ clusterName }: PolicyFacts): string {
  return `${clusterName}-stranger`;
}

function adminTests({ clusterName, admins }: TailscalePolicy): PolicyTest[] {
  const [server, agent] = [nodeTag(clusterName, "server"), nodeTag(clusterName, "agent")];
  const { apiServer, etcdClient, etcdPeer, kubelet } = k3sPorts;
  const open = [...at(server, [apiServer, 22]), ...at(agent, [22])];
  const closed = [...at(server, [etcdClient, etcdPeer, kubelet]), ...at(agent, [kubelet])];
  // Tests take a user, a group, a tag or a host, no autogroup.
  const sources = [...admins.filter((it) => !it.startsWith("autogroup:")), operatorTag(clusterName)];
  return sources.flatMap((src): PolicyTest[] => [
    { src, proto: "tcp", verdict: "accept", to: open },
    { src, proto: "tcp", verdict: "deny", to: closed },
  ]);
}

function strangerTests(policy: TailscalePolicy): PolicyTest[] {
  const src = strangerName(policy);
  const nodes = [nodeTag(policy.clusterName, "server"), nodeTag(policy.clusterName, "agent")];
  const to = (ports: readonly number[]): string[] => nodes.flatMap((node) => at(node, ports));
  return [{ src, proto: "tcp", verdict: "deny", to: to(closedPorts) }, closedPodNetwork(policy, src, nodes)];
}
