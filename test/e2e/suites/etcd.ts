/** Three servers with embedded etcd: the first of them is made again while the others serve. */
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { Cluster } from "../support/cluster.ts";
import { votersOf } from "../support/etcd.ts";
import { nodesOf, readyNodes } from "../support/kube.ts";
import { Pulse } from "../support/pulse.ts";
import { objectsOf, podman } from "../support/podman.ts";
import { momentBetween } from "../support/random.ts";
import { note } from "../support/report.ts";
import { secondsToReady } from "../support/stages.ts";
import { deviceNames } from "../support/tailnet.ts";
import { eventually, pause } from "../support/wait.ts";

const servers = ["server-1", "server-2", "server-3"];
const nodes = ["agent-1", ...servers];
const survivor = "server-2";

/**
 * An `up` with too little time says so, names the stage of each node and ends with 1. On a busy machine no node may
 * be there at first, to have a stage; each attempt goes on where the last one stopped.
 */
async function runOutOfTime(cluster: Cluster): Promise<void> {
  for (const seconds of [6, 9, 12]) {
    const done = await cluster.upWithin(seconds);
    expect(done.output).toContain(`up ${cluster.name} did not end within its --timeout`);
    expect(done.output).toContain("run the same command again to go on where it stopped");
    expect(done.code).toBe(1);
    if (/^ *server-1: (stage (tailnet|address|artifacts|config|k3s|ready) |ready$)/m.test(done.output))
      return;
  }
  throw new Error("no stage was named");
}

/** @param rounds how often the first server is made again. */
export function etcdSuite(rounds: number): void {
  const cluster = new Cluster({ name: "etcd-e2e", apiPort: 17543, settings: { servers: 3, agents: 1 } });
  afterAll(async () => {
    await cluster.cleanUp();
  });

  describe("three servers", () => {
    test("come up although the first up met Ctrl-C and the second ran out of time", async () => {
      const moment = momentBetween(2, 9);
      const { ending, output } = await cluster.interruptedUp(async () => {
        await cluster.pulumiRuns();
        await pause(moment);
      });
      expect(output).toContain("stopped by SIGINT; run the same command again to go on");
      expect(ending).toBe(130);
      await runOutOfTime(cluster);
      await cluster.up("3 servers and 1 agent, after a Ctrl-C and a --timeout");
      expect(await readyNodes(cluster)).toEqual(nodes);
      cluster.usable = true;
    });
  });

  describe("three servers that run", () => {
    beforeEach((context) => {
      context.skip(!cluster.usable, "the cluster did not come up");
    });

    test("are all voters of one etcd", async () => {
      await eventually("three voters", 60, async () => {
        expect(await votersOf(cluster, survivor)).toEqual(servers);
      });
    });

    test(`serve while the first is made again, ${rounds.toString()} times`, async () => {
      for (let round = 1; round <= rounds; round += 1) {
        const pulse = await Pulse.start(cluster, survivor, 1);
        try {
          await podman(["pod", "rm", "--force", "--time", "0", cluster.pod("server-1")]);
          await podman(["volume", "rm", "--force", cluster.volume("server-1")]);
          await cluster.up(`after the first server and its volume were removed, round ${round.toString()}`);
        } finally {
          await pulse.stop();
        }
        note(`longest time without a write through ${survivor}`, pulse.longestGapSeconds);
        // Had the cluster waited for the new server, no write would have gone through for as long as that took.
        const start = await secondsToReady(cluster, "server-1");
        note("start of the new server", start);
        expect(pulse.longestGapSeconds).toBeLessThan(start);
        expect(await votersOf(cluster, survivor)).toEqual(servers);
        expect(await votersOf(cluster, "server-1")).toEqual(servers);
        expect((await nodesOf(cluster, survivor)).map(({ metadata }) => metadata.name).sort()).toEqual(nodes);
        expect(await readyNodes(cluster, survivor)).toEqual(nodes);
        expect(await deviceNames(cluster)).toEqual(nodes.map((node) => `${cluster.name}-${node}`));
      }
    });

    test("go away again, memberships and all", async () => {
      await cluster.destroy("3 servers and 1 agent");
      expect(await objectsOf(cluster.name)).toEqual([]);
    });
  });
}
