/** Things that die, and come back without or with an `up`. */
import { expect, test } from "vitest";
import type { Cluster } from "../support/cluster.ts";
import { nodeOf, readyNodes } from "../support/kube.ts";
import { objectsOf, stateOf } from "../support/podman.ts";
import { allPairsTalk, pairsAreClosed } from "../support/probe.ts";
import { kill, processes } from "../support/processes.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

const nodes = ["agent-1", "agent-2", "server-1"];
type Child = Parameters<Cluster["container"]>[1];

/** kill -9 of one container's main process, then waits for another to run under the same name. */
export async function killAndWait(cluster: Cluster, node: string, child: Child): Promise<void> {
  const container = cluster.container(node, child);
  const { pid } = await stateOf(container);
  kill(pid);
  await eventually(`${container} runs again`, 60, async () => {
    const now = await stateOf(container);
    if (!now.running || now.pid === pid) throw new Error("it does not");
  });
}

function apiService(cluster: Cluster): number | undefined {
  const service = processes().find(({ command }) =>
    new RegExp(`podman .*system service.*/run/homespan/${cluster.name}/`).test(command),
  );
  return service?.pid;
}

export function faults(cluster: Cluster): void {
  test("a killed k3s is started again by the steward", async () => {
    await timed("kill -9 of an agent's k3s until pods talk again", async () => {
      await killAndWait(cluster, "agent-1", "k3s");
      await allPairsTalk(cluster, nodes, 90);
    });
  });

  test("a killed steward comes back and leaves its children alone", async () => {
    const before = await stateOf(cluster.container("agent-1", "k3s"));
    await timed("kill -9 of a steward until it runs again", () => killAndWait(cluster, "agent-1", "steward"));
    const after = await stateOf(cluster.container("agent-1", "k3s"));
    expect({ id: after.id, pid: after.pid }).toEqual({ id: before.id, pid: before.pid });
  });

  test("pods talk again, and policies hold, after tailscaled was restarted, on an agent and on the server", async () => {
    for (const node of ["agent-2", "server-1"]) {
      await timed(`kill -9 of tailscaled on ${node} until pods talk again`, async () => {
        await killAndWait(cluster, node, "tailscale");
        await allPairsTalk(cluster, nodes, 120);
      });
      // What tailscaled puts in front of other rules lets nothing past them.
      await pairsAreClosed(cluster, nodes);
    }
  });

  test("up heals a node whose every process was killed, conmon included", async () => {
    const { uid } = (await nodeOf(cluster, "agent-2")).metadata;
    const containers = (await objectsOf(cluster.name))
      .filter((line) => line.startsWith(`container ${cluster.pod("agent-2")}-`))
      .map((line) => line.slice("container ".length));
    const states = await Promise.all(containers.map(stateOf));
    for (const { conmonPid } of states) if (conmonPid > 1) kill(conmonPid);
    for (const { pid } of states) if (pid > 1) kill(pid);
    await cluster.up("after all processes of an agent were killed");
    expect(await readyNodes(cluster)).toEqual(nodes);
    expect((await nodeOf(cluster, "agent-2")).metadata.uid).toBe(uid);
    await allPairsTalk(cluster, nodes, 90);
  });

  test("up heals the cluster's Podman service, and running stewards use the new one", async () => {
    const pid = apiService(cluster);
    if (pid === undefined) throw new Error("the cluster has no Podman service");
    kill(pid);
    await cluster.up("after the Podman service was killed");
    expect(apiService(cluster)).toBeTypeOf("number");
    expect(apiService(cluster)).not.toBe(pid);
    await killAndWait(cluster, "agent-1", "k3s");
    await allPairsTalk(cluster, nodes, 90);
  });
}
