/** Nodes removed by hand: found by refresh, healed by up, under the same name, any number of times. */
import { expect, test } from "vitest";
import { changesNothing } from "../support/cluster.ts";
import type { Cluster } from "../support/cluster.ts";
import { nodeOf, nodesOf, readyNodes } from "../support/kube.ts";
import { everyPasswordKept } from "../support/node-passwords.ts";
import { podman } from "../support/podman.ts";
import { allPairsTalk } from "../support/probe.ts";
import { timed } from "../support/report.ts";
import { deviceNames } from "../support/tailnet.ts";

const nodes = ["agent-1", "agent-2", "server-1"];

async function removePod(cluster: Cluster, node: string): Promise<void> {
  await podman(["pod", "rm", "--force", "--time", "0", cluster.pod(node)]);
}

/** One Node, one node password and one tailnet device of each name, none with a suffix. */
async function everythingOnce(cluster: Cluster): Promise<void> {
  expect((await nodesOf(cluster)).map(({ metadata }) => metadata.name).sort()).toEqual(nodes);
  expect(await readyNodes(cluster)).toEqual(nodes);
  await everyPasswordKept(cluster, nodes);
  expect(await deviceNames(cluster)).toEqual(nodes.map((node) => `${cluster.name}-${node}`));
}

export function recreation(cluster: Cluster, rounds: number): void {
  test("a node removed by hand is found by preview and comes back as the same node", async () => {
    const { uid } = (await nodeOf(cluster, "agent-1")).metadata;
    await removePod(cluster, "agent-1");
    const changes = await timed("preview that finds a node gone", () => cluster.preview());
    expect(changes).not.toSatisfy(changesNothing);
    await cluster.up("after a node was removed by hand, its volume kept");
    await everythingOnce(cluster);
    expect((await nodeOf(cluster, "agent-1")).metadata.uid).toBe(uid);
    await allPairsTalk(cluster, nodes, 90);
  });

  test(`a node that lost its volume comes back under its name, ${rounds.toString()} times`, async () => {
    for (let round = 1; round <= rounds; round += 1) {
      const { uid } = (await nodeOf(cluster, "agent-1")).metadata;
      await removePod(cluster, "agent-1");
      await podman(["volume", "rm", "--force", cluster.volume("agent-1")]);
      await cluster.up(`after a node and its volume were removed, round ${round.toString()}`);
      await everythingOnce(cluster);
      expect((await nodeOf(cluster, "agent-1")).metadata.uid).not.toBe(uid);
    }
    await timed("a new node's pods reach all others", () => allPairsTalk(cluster, nodes, 90));
  });

  test("a running node is drained and made again when asked for", async () => {
    const { uid } = (await nodeOf(cluster, "agent-2")).metadata;
    await cluster.recreateNode("agent-2");
    await everythingOnce(cluster);
    expect((await nodeOf(cluster, "agent-2")).metadata.uid).not.toBe(uid);
  });
}
