/**
 * Throughput and round-trip time between pods, same-site and cross-site, in each design of the data path, against plain
 * tailscale between the same two nodes: the same small program runs in the network of a pod, or of a node. Besides: memory
 * of each node in the default design, once its part of the round is over.
 */
import { bringAbout, designNames, designs, keepOnLan, siteNode, type Design } from "./support/designs.ts";
import { HomespanCluster } from "./support/homespan.ts";
import { memoryOfNode } from "./support/memory.ts";
import { measure, nodeNetwork, podNetwork } from "./support/network.ts";
import type { Measured } from "./support/network.ts";
import { smoke } from "./support/workload.ts";
import { median, progress, publish, roundsAsked, spread, table } from "./support/table.ts";

const rounds = roundsAsked();
const nodes = ["server-1", "agent-1", "agent-2"];
const pairs = [
  { label: "same site (agent-1 to agent-2)", from: "agent-1", to: "agent-2" },
  { label: "cross-site (agent-1 to server-1)", from: "agent-1", to: "server-1" },
];
const cluster = new HomespanCluster("bench", ["agents=2", "apiPort=18443"]);
/** By node, once a round: {@link memoryOfNode}. */
const memory = new Map<string, number[][]>();

/** Measured in the same minute, once a round. */
interface Runs {
  readonly plain: Measured[];
  readonly pods: Measured[];
}
const measured = new Map<string, Runs>();

function runsOf(label: string, design: Design): Runs {
  const key = `${label} ${design}`;
  const runs = measured.get(key) ?? { plain: [], pods: [] };
  measured.set(key, runs);
  return runs;
}

async function compare(design: Design): Promise<void> {
  for (const { label, from, to } of pairs) {
    progress(`${designNames[design]}: ${label}`);
    const { plain, pods } = runsOf(label, design);
    plain.push(await measure(await nodeNetwork(cluster, from), await nodeNetwork(cluster, to)));
    const { namespace } = smoke;
    pods.push(
      await measure(await podNetwork(cluster, from, namespace), await podNetwork(cluster, to, namespace)),
    );
  }
}

async function weigh(): Promise<void> {
  progress("memory of each node");
  for (const node of nodes) {
    memory.set(node, [...(memory.get(node) ?? []), await memoryOfNode(cluster, node)]);
  }
}

async function compareOnLan(): Promise<void> {
  const sites = [];
  for (const node of nodes) sites.push(await siteNode(cluster, node, await nodeNetwork(cluster, node)));
  const undo = await keepOnLan(sites);
  try {
    await compare("lan");
  } finally {
    await undo();
  }
}

type Quantity = readonly [unit: string, of: (run: Measured) => number, digits: number];
const quantities: readonly Quantity[] = [
  ["Mbit/s", (run) => run.megabitsPerSecond, 0],
  ["round trip in ms", (run) => run.roundTripMilliseconds, 2],
];

function rows(label: string, design: Design): string[][] {
  const { plain, pods } = runsOf(label, design);
  return quantities.map(([unit, of, digits]) => [
    `${label}, ${unit}`,
    designNames[design],
    spread(pods.map(of), digits),
    spread(plain.map(of), digits),
    (median(pods.map(of)) / median(plain.map(of))).toFixed(2),
  ]);
}

try {
  await cluster.up();
  for (let round = 1; round <= rounds; round += 1) {
    progress(`round ${round.toString()} of ${rounds.toString()}`);
    await bringAbout(cluster, "vxlan");
    await compare("vxlan");
    await weigh();
    await bringAbout(cluster, "routes");
    await compare("routes");
    await compareOnLan();
  }
} finally {
  await cluster.cleanUp();
}

const found = pairs.flatMap(({ label }) =>
  quantities.flatMap((_, index) => designs.map((design) => rows(label, design)[index] ?? [])),
);
publish(
  "network",
  table(["", "pods' network", "pod to pod, median (runs)", "plain tailscale beside it", "ratio"], found),
);
const weights = ["all of it, MiB, median (runs)", "k3s and pods", "tailscale", "steward"];
publish(
  "memory",
  table(
    [`node, with ${designNames.vxlan}`, ...weights],
    [...memory].map(([node, samples]) => [
      node,
      ...weights.map((_, part) =>
        spread(
          samples.map((sample) => sample[part] ?? Number.NaN),
          0,
        ),
      ),
    ]),
  ),
);
