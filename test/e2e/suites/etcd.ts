/** Three servers with embedded etcd: the first of them is made again while the others serve. */
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { Cluster } from "../support/cluster.ts";
import { votersOf } from "../support/etcd.ts";
import { nodesOf, readyNodes } from "../support/kube.ts";
import { Pulse } from "../support/pulse.ts";
import { objectsOf, podman } from "../support/podman.ts";
import { momentBetween } from "../support/random.ts";
import { note } from "../support/report.ts";
import { deviceNames } from "../support/tailnet.ts";
import { eventually } from "../support/wait.ts";

const servers = ["server-1", "server-2", "server-3"];
const nodes = ["agent-1", ...servers];
const survivor = "server-2";

/** @param rounds how often the first server is made again. */
export function etcdSuite(rounds: number): void {
  const cluster = new Cluster({ name: "etcd-e2e", apiPort: 17543, settings: { servers: 3, agents: 1 } });
  afterAll(async () => {
    await cluster.cleanUp();
  });

  describe("three servers", () => {
    test("come up although the first up was killed in the middle", async () => {
      await cluster.interruptedUp(momentBetween(4, 30));
      await cluster.up("3 servers and 1 agent, after a kill in the middle");
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
        expect(pulse.longestGapSeconds).toBeLessThan(20);
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
