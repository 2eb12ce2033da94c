/**
 * Throughput and round-trip time between pods, same-site and cross-site, against plain tailscale between the same two
 * nodes: the same small program runs in the network of a pod, or of a node. Besides: memory of each node.
 */
import { HomespanCluster } from "./support/homespan.ts";
import { memoryOfNode } from "./support/memory.ts";
import { measure, nodeNetwork, openTailnet, podNetwork } from "./support/network.ts";
import type { Measured, Network } from "./support/network.ts";
import { smoke } from "./support/workload.ts";
import { median, progress, publish, roundsAsked, spread, table } from "./support/table.ts";

const rounds = roundsAsked();
const pairs = [
  { label: "same site (agent-1 to agent-2)", from: "agent-1", to: "agent-2" },
  { label: "cross-site (agent-1 to server-1)", from: "agent-1", to: "server-1" },
];
const cluster = new HomespanCluster("bench", ["agents=2", "apiPort=18443"]);
const rows: string[][] = [];
const memory: string[][] = [];

async function compare(
  label: string,
  nodes: readonly [Network, Network],
  pods: readonly [Network, Network],
): Promise<void> {
  const plain: Measured[] = [];
  const through: Measured[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    progress(`round ${round.toString()} of ${rounds.toString()}: ${label}`);
    plain.push(await measure(...nodes));
    through.push(await measure(...pods));
  }
  const megabits = (runs: readonly Measured[]): number[] => runs.map((run) => run.megabitsPerSecond);
  const milliseconds = (runs: readonly Measured[]): number[] => runs.map((run) => run.roundTripMilliseconds);
  rows.push(
    [
      `${label}, Mbit/s`,
      spread(megabits(through), 0),
      spread(megabits(plain), 0),
      (median(megabits(through)) / median(megabits(plain))).toFixed(2),
    ],
    [
      `${label}, round trip in ms`,
      spread(milliseconds(through), 2),
      spread(milliseconds(plain), 2),
      (median(milliseconds(through)) / median(milliseconds(plain))).toFixed(2),
    ],
  );
}

try {
  await cluster.up();
  await openTailnet(cluster);
  for (const { label, from, to } of pairs) {
    const nodes = [await nodeNetwork(cluster, from), await nodeNetwork(cluster, to)] as const;
    const pods = [
      await podNetwork(cluster, from, smoke.namespace),
      await podNetwork(cluster, to, smoke.namespace),
    ] as const;
    await compare(label, nodes, pods);
  }
  for (const node of ["server-1", "agent-1", "agent-2"]) {
    memory.push([node, ...(await memoryOfNode(cluster, node))]);
  }
} finally {
  await cluster.cleanUp();
}

publish("network", table(["", "pod to pod, median (runs)", "plain tailscale", "ratio"], rows));
publish("memory", table(["node", "all of it, MiB", "k3s and pods", "tailscale", "steward"], memory));
