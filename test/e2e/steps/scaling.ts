/** More and fewer agents: exactly those nodes, also when Pulumi was killed in the middle. */
import { expect, test } from "vitest";
import type { Cluster } from "../support/cluster.ts";
import { nodeOf, nodePasswords, nodesOf, podsOf, readyNodes } from "../support/kube.ts";
import { objectsOf } from "../support/podman.ts";
import { allPairsTalk } from "../support/probe.ts";
import { momentBetween } from "../support/random.ts";
import { deviceNames } from "../support/tailnet.ts";
import { pause } from "../support/wait.ts";

/** No agent joins faster. */
const leastSeconds = 9;

export function scaling(cluster: Cluster): void {
  test("an up killed while it adds an agent is finished by the next", async () => {
    const uid = (await nodeOf(cluster, "agent-1")).metadata.uid;
    // One agent takes the longest of the steps that the whole cluster took, and less where the machine was busier then.
    const whole = cluster.firstUpSeconds ?? Number.NaN;
    const moment = momentBetween(whole * 0.1, Math.min(whole * 0.4, leastSeconds));
    const killed = await cluster.killedUp(() => pause(moment), { agents: 3 });
    expect(killed.ending).toBe("SIGKILL");
    await cluster.up("after a kill in the middle of adding an agent");
    expect(await readyNodes(cluster)).toEqual(["agent-1", "agent-2", "agent-3", "server-1"]);
    expect((await nodeOf(cluster, "agent-1")).metadata.uid).toBe(uid);
    expect(await deviceNames(cluster)).toContain(`${cluster.name}-agent-3`);
    await allPairsTalk(cluster, ["agent-3", "agent-1", "server-1"]);
  });

  test("one agent less leaves no trace of it", async () => {
    await cluster.up("one agent less", { agents: 2 });
    const names = (await nodesOf(cluster)).map(({ metadata }) => metadata.name).sort();
    expect(names).toEqual(["agent-1", "agent-2", "server-1"]);
    expect((await nodePasswords(cluster)).filter((name) => name.includes("agent-3"))).toEqual([]);
    expect((await deviceNames(cluster)).filter((name) => name.includes("agent-3"))).toEqual([]);
    expect((await objectsOf(cluster.name)).filter((line) => line.includes("agent-3"))).toEqual([]);
    const stranded = (await podsOf(cluster, undefined)).filter(({ spec }) => spec.nodeName === "agent-3");
    expect(stranded).toEqual([]);
  });
}
