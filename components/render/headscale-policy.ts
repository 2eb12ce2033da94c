import { k3sPorts } from "../upstream/k3s.ts";
import { nodeTag } from "./names.ts";

export interface HeadscalePolicy {
  readonly clusterName: string;
  /** The user that owns the cluster's tags. */
  readonly user: string;
  /** False when no pod scrapes kubelets from an agent. */
  readonly metricsServer: boolean;
  /**
   * `resolvable`: only tests that hold in an empty tailnet, because Headscale rejects a policy whose tests name a tag
   * without a node. `populated`: also what servers and agents must reach; needs one node of each role.
   */
  readonly tests: "resolvable" | "populated";
}

interface Grant {
  readonly comment: string;
  readonly src: readonly string[];
  readonly dst: readonly string[];
  readonly ip: readonly string[];
}

/** An address no node has: the last one of the tailnet's range. */
const stranger = "100.127.255.254";

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
    ...grants(policy, server, agent).flatMap(renderGrant),
    "  ],",
    `  "tests": [`,
    ...tests(policy, server, agent),
    "  ],",
    "}",
    "",
  ].join("\n");
}

function grants(policy: HeadscalePolicy, server: string, agent: string): Grant[] {
  const everyNode = [server, agent];
  const tcp = (port: number): string => `tcp:${String(port)}`;
  return [
    { comment: "Kubernetes API", src: everyNode, dst: [server], ip: [tcp(k3sPorts.apiServer)] },
    {
      comment: "etcd, among servers alone",
      src: [server],
      dst: [server],
      ip: [tcp(k3sPorts.etcdClient), tcp(k3sPorts.etcdPeer)],
    },
    {
      comment: policy.metricsServer ? "kubelet, also for metrics-server on any node" : "kubelet",
      src: policy.metricsServer ? everyNode : [server],
      dst: everyNode,
      ip: [tcp(k3sPorts.kubelet)],
    },
    {
      comment: "pod network (VXLAN), and ping for path and MTU discovery",
      src: everyNode,
      dst: everyNode,
      ip: [`udp:${String(k3sPorts.flannelVxlan)}`, "icmp:*"],
    },
  ];
}

function renderGrant(grant: Grant): string[] {
  return [
    `    // ${grant.comment}`,
    `    { "src": ${list(grant.src)}, "dst": ${list(grant.dst)}, "ip": ${list(grant.ip)} },`,
  ];
}

function tests(policy: HeadscalePolicy, server: string, agent: string): string[] {
  const closed = [22, k3sPorts.apiServer, k3sPorts.etcdClient, k3sPorts.etcdPeer, k3sPorts.kubelet];
  const test = (src: string, proto: string, verdict: string, to: readonly string[]): string =>
    `    { "src": ${JSON.stringify(src)}, "proto": "${proto}", "${verdict}": ${list(to)} },`;
  const at = (target: string, ports: readonly number[]): string[] =>
    ports.map((port) => `${target}:${String(port)}`);
  const always = [
    "    // an address that is no node of this cluster reaches nothing",
    test(stranger, "tcp", "deny", at(firstNode, closed)),
    test(stranger, "udp", "deny", at(firstNode, [k3sPorts.flannelVxlan])),
  ];
  if (policy.tests === "resolvable") {
    return always;
  }
  return [
    ...always,
    test(agent, "tcp", "accept", at(server, [k3sPorts.apiServer])),
    test(agent, "tcp", "deny", at(server, [22, k3sPorts.etcdClient, k3sPorts.etcdPeer])),
    test(agent, "udp", "accept", [
      ...at(server, [k3sPorts.flannelVxlan]),
      ...at(agent, [k3sPorts.flannelVxlan]),
    ]),
    test(server, "tcp", "accept", [
      ...at(server, [k3sPorts.apiServer, k3sPorts.etcdClient, k3sPorts.etcdPeer]),
      ...at(agent, [k3sPorts.kubelet]),
    ]),
    test(server, "tcp", "deny", at(agent, [22, k3sPorts.apiServer])),
  ];
}

function list(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(", ")}]`;
}
