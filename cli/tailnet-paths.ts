/** From what each node said to the ways between all pairs of them, and what is wrong with those. Pure. */
import type { NatReport, PeerProbe, Probe } from "./tailnet-probe.ts";

/** What flannel says of a node, in annotations of its Node. */
export interface FlannelNode {
  /** Where other nodes' flannel sends packets for its pods; empty when that is not known. */
  readonly flannelAddress: string;
  /** No VXLAN: the node is the tailnet's route to its own pods. */
  readonly podRoutes: boolean;
}

/** A node and what it said. */
export interface ProbedNode extends FlannelNode {
  readonly name: string;
  readonly site: string;
  /** Its name in the tailnet. */
  readonly hostName: string;
  /** Its answer, or in one line why there is none. */
  readonly answer: Probe | string;
}

export interface NodePaths {
  readonly name: string;
  readonly site: string;
  readonly tailnetAddress?: string;
  readonly flannelPublicIp?: string;
  readonly tailscaleMtu?: number;
  readonly flannelMtu?: number;
  readonly nat?: NatReport["mapping"];
  readonly publicEndpoint?: string;
  /** The region of its preferred relay. */
  readonly relay?: string;
  /** Why it could not be asked. */
  readonly problem?: string;
}

/** How packets get from one node to another. */
export interface NodePath {
  readonly from: string;
  readonly to: string;
  readonly sameSite: boolean;
  /** `none`: nothing comes back; `unknown`: `from` could not be asked. */
  readonly path: "direct" | "relay" | "none" | "unknown";
  /** Where `from` sends them: an address, or the relay's region. */
  readonly endpoint?: string;
  /** Median of the pings that went this way; 0 is less than one. */
  readonly roundTripMilliseconds?: number;
  /** The best of two pings to `endpoint` itself, below the tunnel: of two nodes on one site that reach each other directly, without a router. */
  readonly lanRoundTripMilliseconds?: number;
  /** The network device they leave on. */
  readonly device?: string;
  /** Where the tailnet has routes to pods: the network of those of `to`, empty when `from` has no route to it. */
  readonly podRoute?: string;
  /** Why nothing comes back. */
  readonly problem?: string;
}

export interface Throughput {
  readonly from: string;
  readonly to: string;
  readonly megabitsPerSecond?: number;
  readonly problem?: string;
}

export interface PathsReport {
  readonly nodes: readonly NodePaths[];
  /** Both directions of each pair. */
  readonly paths: readonly NodePath[];
  /** From pod to pod, one direction of each pair; empty unless it was asked for. */
  readonly throughput: readonly Throughput[];
  /** What is not as it should be, in a line each. */
  readonly warnings: readonly string[];
}

/** Two nodes of one site are on one LAN: more than this is a way round. */
const sameSiteMilliseconds = 20;
/** What VXLAN adds to a packet over IPv4. */
const vxlanOverhead = 50;
const tailnetDevice = "tailscale0";
const flannelDevice = "flannel.1";

export function pathsReport(
  probed: readonly ProbedNode[],
  throughput: readonly Throughput[] = [],
): PathsReport {
  const nodes = probed.map(nodePaths);
  const paths = probed.flatMap((from) => probed.filter((to) => to !== from).map((to) => nodePath(from, to)));
  const silent = new Set(nodes.filter(({ problem }) => problem !== undefined).map(({ name }) => name));
  // That nothing comes back from a node that cannot be asked either is no second piece of news.
  const news = pairsOf(paths).filter(({ directions: [{ to, path }] }) => path !== "none" || !silent.has(to));
  const warnings = [
    ...nodes.flatMap(nodeWarnings),
    ...news.flatMap(pairWarnings),
    ...throughput.flatMap(({ from, to, problem }) =>
      problem === undefined ? [] : [`a pod on ${from} gets no bytes to one on ${to}: ${problem}`],
    ),
  ];
  return { nodes, paths, throughput, warnings };
}

function nodePaths({ name, site, answer, flannelAddress }: ProbedNode): NodePaths {
  const common = { name, site, ...given({ flannelPublicIp: flannelAddress }) };
  if (typeof answer === "string") return { ...common, problem: answer };
  return {
    ...common,
    ...given({
      tailnetAddress: answer.address,
      tailscaleMtu: answer.mtus.get(tailnetDevice),
      flannelMtu: answer.mtus.get(flannelDevice),
      nat: answer.nat.mapping,
      publicEndpoint: answer.nat.publicEndpoint,
      relay: answer.relay,
    }),
  };
}

function nodePath(from: ProbedNode, to: ProbedNode): NodePath {
  const pair = { from: from.name, to: to.name, sameSite: from.site === to.site };
  const peer = typeof from.answer === "string" ? undefined : from.answer.peers.get(to.hostName);
  if (peer === undefined) return { ...pair, path: "unknown" };
  const device = {
    ...given({ device: peer.device }),
    ...(to.podRoutes ? { podRoute: peer.routes.join(" ") } : {}),
  };
  if (peer.problem !== undefined) return { ...pair, path: "none", ...device, problem: peer.problem };
  const way = wayOf(peer);
  const onLan = pair.sameSite && way.path === "direct";
  return {
    ...pair,
    ...way,
    ...(onLan ? given({ lanRoundTripMilliseconds: peer.lanMilliseconds }) : {}),
    ...device,
  };
}

/** What tailscaled says it sends to counts; where it has sent nothing but pings yet, the last reply's way does. */
function wayOf(peer: PeerProbe): Pick<NodePath, "path" | "endpoint" | "roundTripMilliseconds"> {
  const last = peer.pongs.at(-1)?.via ?? "";
  const relay = /^DERP\((.*)\)$/.exec(last)?.[1];
  const [path, endpoint]: ["direct" | "relay", string] =
    peer.directAddress !== ""
      ? ["direct", peer.directAddress]
      : peer.peerRelay !== ""
        ? ["relay", peer.peerRelay]
        : relay !== undefined
          ? ["relay", relay]
          : last.startsWith("peer-relay(")
            ? ["relay", last.slice("peer-relay(".length, -1)]
            : ["direct", last];
  const same = peer.pongs.filter(({ via }) => isRelay(via) === (path === "relay"));
  const times = (same.length > 0 ? same : peer.pongs).map(({ milliseconds }) => milliseconds);
  return { path, endpoint, roundTripMilliseconds: median(times) ?? 0 };
}

function isRelay(via: string): boolean {
  return /^(DERP|peer-relay)\(/.test(via);
}

function nodeWarnings(node: NodePaths): readonly string[] {
  if (node.problem !== undefined) return [`${node.name} could not be asked: ${node.problem}`];
  const { name, tailnetAddress, flannelPublicIp, tailscaleMtu, flannelMtu } = node;
  const warnings: string[] = [];
  if (flannelPublicIp !== undefined && tailnetAddress !== undefined && flannelPublicIp !== tailnetAddress) {
    warnings.push(
      `flannel sends packets for pods of ${name} to ${flannelPublicIp}, not to its tailnet address ${tailnetAddress}`,
    );
  }
  if (tailscaleMtu !== undefined && flannelMtu !== undefined && flannelMtu + vxlanOverhead > tailscaleMtu) {
    warnings.push(
      `${flannelDevice} of ${name} has MTU ${flannelMtu}: with VXLAN's ${vxlanOverhead} bytes that does not fit into the ${tailscaleMtu} of ${tailnetDevice}`,
    );
  }
  return warnings;
}

/** Both directions of a pair that have the same way, or one of a pair that has not. */
export interface NodePair {
  readonly directions: readonly [NodePath, ...NodePath[]];
  /** Of the two directions, or of the one that is known. */
  readonly roundTripMilliseconds?: number;
  readonly lanRoundTripMilliseconds?: number;
}

/** Pairs in the order of the nodes. Directions that differ are a pair each; one that is not known says nothing beside one that is. */
export function pairsOf(paths: readonly NodePath[]): readonly NodePair[] {
  const back = new Map(paths.map((path) => [`${path.to} ${path.from}`, path]));
  const done = new Set<NodePath>();
  const pairs: NodePair[] = [];
  for (const path of paths) {
    if (done.has(path)) continue;
    const other = back.get(`${path.from} ${path.to}`);
    if (path.path === "unknown" && other !== undefined && other.path !== "unknown") continue;
    const same = other !== undefined && other.path === path.path && other.device === path.device;
    const directions: NodePair["directions"] = same ? [path, other] : [path];
    for (const direction of directions) done.add(direction);
    pairs.push({
      directions,
      ...given({
        roundTripMilliseconds: median(directions.map((one) => one.roundTripMilliseconds)),
        lanRoundTripMilliseconds: median(directions.map((one) => one.lanRoundTripMilliseconds)),
      }),
    });
  }
  return pairs;
}

export function pairWarnings({ directions, roundTripMilliseconds: time = 0 }: NodePair): readonly string[] {
  const [{ from, to, sameSite, path, endpoint = "", device, problem = "no reply" }] = directions;
  const both = directions.length > 1;
  const pair = both ? `between ${from} and ${to}` : `from ${from} to ${to}`;
  if (path === "unknown") return [];
  if (path === "none") return [`nothing gets through ${pair}: ${problem}`];
  const warnings = directions
    .filter(({ podRoute }) => podRoute === "")
    .map(
      (one) =>
        `${one.from} has no route to the pods of ${one.to}: the tailnet's policy does not approve it, or the control server does not hear of ${one.to}`,
    );
  if (sameSite && path === "relay") {
    warnings.push(`packets ${pair} go through relay ${endpoint}, though both are on the same site`);
  }
  if (sameSite && time > sameSiteMilliseconds) {
    warnings.push(
      `the round trip ${pair} takes ${time} ms, though both are on the same site: more than ${sameSiteMilliseconds} ms`,
    );
  }
  if (device !== undefined && device !== tailnetDevice) {
    warnings.push(`packets ${pair} leave on ${device}, not on ${tailnetDevice}`);
  }
  return warnings;
}

/** Of those that are known, if any is. */
function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  return (upper + (sorted[middle - 1] ?? upper)) / 2;
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined | ""> };

/** Without what is not known. */
function given<T extends Readonly<Record<string, string | number | undefined>>>(values: T): Given<T> {
  const known = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(known) as Given<T>;
}
