/** Three servers with embedded etcd: the first of them is made again while the others serve, at last the whole cluster is. */
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { killAndWait } from "../steps/faults.ts";
import { Cluster } from "../support/cluster.ts";
import { votersOf } from "../support/etcd.ts";
import { footprint, leftovers, marksOf } from "../support/footprint.ts";
import { nodesOf, readyNodes } from "../support/kube.ts";
import { everyPasswordKept } from "../support/node-passwords.ts";
import { Pulse } from "../support/pulse.ts";
import { objectsOf, podman, stateOf } from "../support/podman.ts";
import { pulumiRuns } from "../support/processes.ts";
import { momentBetween } from "../support/random.ts";
import { note, timed } from "../support/report.ts";
import { allStagesDone, secondsToReady } from "../support/stages.ts";
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

/** The k3s of a server whose tailscaled was started again starts again as well; until then all looks as it did before. */
async function killTailscaled(cluster: Cluster, server: string): Promise<void> {
  const k3s = cluster.container(server, "k3s");
  const { pid } = await stateOf(k3s);
  await killAndWait(cluster, server, "tailscale");
  await eventually(`k3s of ${server} was started again`, 90, async () => {
    const now = await stateOf(k3s);
    if (!now.running || now.pid === pid) throw new Error("it was not");
  });
}

/** Another one is another cluster: k3s makes this namespace once in a cluster's life. */
function clusterId(cluster: Cluster, server: string): Promise<string> {
  return cluster.kubectl(["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"], { server });
}

/** Ids of all its containers and pods. */
async function idsOf(cluster: Cluster): Promise<string[]> {
  return (await marksOf(cluster.name, cluster.state)).filter((mark) => /^[0-9a-f]{64}$/.test(mark));
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
        await pulumiRuns(cluster.name);
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

    test("are all voters again after tailscaled was killed on one of them", async () => {
      const server = "server-3";
      await timed(`kill -9 of tailscaled on ${server} until it takes part in etcd again`, async () => {
        await killTailscaled(cluster, server);
        await allStagesDone(cluster, server, 180);
        await eventually("three voters, by its own account", 60, async () => {
          expect(await votersOf(cluster, server)).toEqual(servers);
        });
        // A member that hears of nobody has the list too; a write is something that the others agreed to.
        await eventually("a write through it", 60, () =>
          cluster.kubectl(["label", "namespace", "default", "--overwrite", `written=${server}`], { server }),
        );
      });
      const written = ["get", "namespace", "default", "-o", "jsonpath={.metadata.labels.written}"];
      expect(await cluster.kubectl(written, { server: survivor })).toBe(server);
      await eventually("all nodes Ready", 60, async () => {
        expect(await readyNodes(cluster, survivor)).toEqual(nodes);
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
        // The cluster knows that a node is Ready before the node's own file says so.
        await allStagesDone(cluster, "server-1", 60);
        const start = await secondsToReady(cluster, "server-1");
        note("start of the new server", start);
        expect(pulse.longestGapSeconds).toBeLessThan(start);
        expect(await votersOf(cluster, survivor)).toEqual(servers);
        expect(await votersOf(cluster, "server-1")).toEqual(servers);
        expect((await nodesOf(cluster, survivor)).map(({ metadata }) => metadata.name).sort()).toEqual(nodes);
        expect(await readyNodes(cluster, survivor)).toEqual(nodes);
        await everyPasswordKept(cluster, nodes, survivor);
        expect(await deviceNames(cluster)).toEqual(nodes.map((node) => `${cluster.name}-${node}`));
      }
    });

    test("recreated as one server they are another cluster under the same names, and nothing of the former is left", async () => {
      const former = await clusterId(cluster, survivor);
      const ids = await idsOf(cluster);
      expect(former).toMatch(/^[0-9a-f-]{36}$/);
      // A pod, what it is made of, and what the children of its steward are, for each node.
      expect(ids.length).toBeGreaterThanOrEqual(nodes.length * 5);
      await cluster.recreate("3 servers and 1 agent, as 1 server", { servers: 1, agents: 0 });

      const [only = ""] = servers;
      expect(await clusterId(cluster, only)).not.toBe(former);
      expect((await nodesOf(cluster)).map(({ metadata }) => metadata.name)).toEqual([only]);
      expect(await readyNodes(cluster)).toEqual([only]);
      await everyPasswordKept(cluster, [only]);
      expect(await deviceNames(cluster)).toEqual([`${cluster.name}-${only}`]);
      // Nobody said so this time.
      expect(await cluster.output("apiUrl")).toBe(`https://127.0.0.1:${cluster.apiPort.toString()}`);

      const others = nodes.filter((node) => node !== only);
      const objects = await objectsOf(cluster.name);
      expect(objects).toContain(`volume ${cluster.volume(only)}`);
      expect(objects.filter((line) => others.some((node) => line.includes(`-${node}`)))).toEqual([]);
      expect((await idsOf(cluster)).filter((id) => ids.includes(id))).toEqual([]);
      await eventually("processes and cgroups of the former cluster are gone", 10, async () => {
        const none = new Set<string>();
        expect(leftovers(none, await footprint(cluster.name), ids, cluster.state)).toEqual([]);
      });
    });

    test("go away again, membership and all", async () => {
      await cluster.destroy("1 server");
      expect(await objectsOf(cluster.name)).toEqual([]);
    });
  });
}
