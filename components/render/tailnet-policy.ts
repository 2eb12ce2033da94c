/** What every tailnet's policy says of one cluster, whoever runs the tailnet. */
import { k3sPorts } from "../upstream/k3s.ts";
import { hostAddress } from "./address.ts";
import { nodeTag, operatorTag } from "./names.ts";
import type { PodRoutes } from "./pod-network.ts";

export interface PolicyFacts {
  readonly clusterName: string;
  /** False when no pod scrapes kubelets from an agent. */
  readonly metricsServer: boolean;
  /** Pods without VXLAN. Absent: VXLAN. */
  readonly podRoutes?: PodRoutes | undefined;
}

export interface Grant {
  readonly comment: string;
  readonly src: readonly string[];
  readonly dst: readonly string[];
  readonly ip: readonly string[];
}

/** An assertion in the policy itself: a policy that breaks it is not accepted. */
export interface PolicyTest {
  readonly src: string;
  readonly proto: "tcp" | "udp";
  readonly verdict: "accept" | "deny";
  readonly to: readonly string[];
}

/** Who may reach a cluster beside its nodes. */
export interface AccessFacts extends PolicyFacts {
  /** Who reaches the API and SSH of the nodes: users, groups, autogroups. */
  readonly admins: readonly string[];
}

/** First line of every policy that is written here: by it a policy is known to be a cluster's own. */
export function policyMark(clusterName: string): string {
  return `// Written by Homespan for the cluster ${clusterName}, and set again when it is changed.`;
}

/** Whether a policy was written here for this cluster, by this run or by one that was killed. */
export function bearsMark(policy: string, clusterName: string): boolean {
  return policy.trimStart().split(/\r?\n/, 1)[0] === policyMark(clusterName);
}

/** An address no node has: the last one of the tailnet's range. */
export const stranger = "100.127.255.254";

/** TCP ports that are nobody's but the cluster's and its administrators'. */
export const closedPorts: readonly number[] = [
  22,
  k3sPorts.apiServer,
  k3sPorts.etcdClient,
  k3sPorts.etcdPeer,
  k3sPorts.kubelet,
];

export const tcp = (port: number): string => `tcp:${String(port)}`;

/** `target:port` for each port. */
export const at = (target: string, ports: readonly number[]): string[] =>
  ports.map((port) => `${target}:${String(port)}`);

/** Nodes reach nodes on exactly the ports k3s needs. */
export function nodeGrants({ clusterName, metricsServer, podRoutes }: PolicyFacts): Grant[] {
  const server = nodeTag(clusterName, "server");
  const everyNode = [server, nodeTag(clusterName, "agent")];
  return [
    { comment: "Kubernetes API", src: everyNode, dst: [server], ip: [tcp(k3sPorts.apiServer)] },
    {
      comment: "etcd, among servers alone",
      src: [server],
      dst: [server],
      ip: [tcp(k3sPorts.etcdClient), tcp(k3sPorts.etcdPeer)],
    },
    {
      comment: metricsServer ? "kubelet, also for metrics-server on any node" : "kubelet",
      src: metricsServer ? everyNode : [server],
      dst: everyNode,
      ip: [tcp(k3sPorts.kubelet)],
    },
    ...(podRoutes === undefined ? vxlanGrants(everyNode) : routesGrants(everyNode, podRoutes)),
  ];
}

function vxlanGrants(everyNode: readonly string[]): Grant[] {
  return [
    {
      comment: "pod network (VXLAN), and ping for path and MTU discovery",
      src: everyNode,
      dst: everyNode,
      ip: [`udp:${String(k3sPorts.flannelVxlan)}`, "icmp:*"],
    },
  ];
}

/** What a pod sends to a node comes from its own node's address (flannel masquerades it), so that needs no grant here. */
function routesGrants(everyNode: readonly string[], { podCidr }: PodRoutes): Grant[] {
  return [
    { comment: "ping for path and MTU discovery", src: everyNode, dst: everyNode, ip: ["icmp:*"] },
    {
      comment: "pod network: pods and nodes reach pods, whatever these listen on",
      src: [...everyNode, podCidr],
      dst: [podCidr],
      ip: ["*"],
    },
  ];
}

/** Lines that let nodes, and nobody else, be routes to pods; none with VXLAN. */
export function routeApprovers({ clusterName, podRoutes }: PolicyFacts): string[] {
  if (podRoutes === undefined) return [];
  const nodes = [nodeTag(clusterName, "server"), nodeTag(clusterName, "agent")];
  return [
    "  // each node is the route to its own pods",
    `  "autoApprovers": { "routes": { ${JSON.stringify(podRoutes.podCidr)}: ${list(nodes)} } },`,
  ];
}

/** Where the pods' network answers nobody but nodes and pods: the VXLAN port of these targets, or a pod's address. */
export function closedPodNetwork(
  { podRoutes }: PolicyFacts,
  src: string,
  targets: readonly string[],
): PolicyTest {
  return podRoutes === undefined
    ? {
        ...{ src, proto: "udp", verdict: "deny" },
        to: targets.flatMap((target) => at(target, [k3sPorts.flannelVxlan])),
      }
    : { src, proto: "tcp", verdict: "deny", to: at(somePod(podRoutes), [httpPort]) };
}

/** Of a port that nothing of the cluster itself has. */
const httpPort = 80;

/** An address that a pod may have. */
function somePod({ podCidr }: PodRoutes): string {
  return hostAddress(podCidr, 2);
}

/** The API for administrators and the machine that runs Pulumi, and SSH. */
export function adminGrants({ clusterName, admins }: AccessFacts): Grant[] {
  const [server, agent] = [nodeTag(clusterName, "server"), nodeTag(clusterName, "agent")];
  const src = [...admins, operatorTag(clusterName)];
  return [
    {
      comment: "administrators, and the machine that runs Pulumi: the API",
      src,
      dst: [server],
      ip: [tcp(k3sPorts.apiServer)],
    },
    { comment: "and SSH", src, dst: [server, agent], ip: [tcp(22)] },
  ];
}

/** What servers and agents must reach, and must not. */
export function nodeTests({ clusterName, podRoutes }: PolicyFacts): PolicyTest[] {
  const [server, agent] = [nodeTag(clusterName, "server"), nodeTag(clusterName, "agent")];
  const { apiServer, etcdClient, etcdPeer, kubelet, flannelVxlan } = k3sPorts;
  return [
    { src: agent, proto: "tcp", verdict: "accept", to: at(server, [apiServer]) },
    { src: agent, proto: "tcp", verdict: "deny", to: at(server, [22, etcdClient, etcdPeer]) },
    podRoutes === undefined
      ? {
          src: agent,
          proto: "udp",
          verdict: "accept",
          to: [...at(server, [flannelVxlan]), ...at(agent, [flannelVxlan])],
        }
      : { src: agent, proto: "tcp", verdict: "accept", to: at(somePod(podRoutes), [httpPort]) },
    {
      src: server,
      proto: "tcp",
      verdict: "accept",
      to: [...at(server, [apiServer, etcdClient, etcdPeer]), ...at(agent, [kubelet])],
    },
    { src: server, proto: "tcp", verdict: "deny", to: at(agent, [22, apiServer]) },
  ];
}

export function renderGrant(grant: Grant): string[] {
  return [
    `    // ${grant.comment}`,
    `    { "src": ${list(grant.src)}, "dst": ${list(grant.dst)}, "ip": ${list(grant.ip)} },`,
  ];
}

export function renderTest({ src, proto, verdict, to }: PolicyTest): string {
  return `    { "src": ${JSON.stringify(src)}, "proto": "${proto}", "${verdict}": ${list(to)} },`;
}

export function list(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(", ")}]`;
}
