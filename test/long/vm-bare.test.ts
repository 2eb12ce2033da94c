/**
 * How long a node of ours is from power-on to Ready beside k3s alone, in the same virtual machine one after the other.
 * Run: ./homespan test --long vm-bare
 */
import { expect, test } from "vitest";
import { note } from "../e2e/support/report.ts";
import { holds, nodeOf } from "../e2e/support/kube.ts";
import { eventually } from "../e2e/support/wait.ts";
import { BareAgent } from "../vm/bare-agent.ts";
import { ClusterLab } from "../vm/cluster-lab.ts";

/** The aim is 1.5. */
const limit = 2.5;

async function bare(): Promise<number> {
  const agent = await BareAgent.start();
  try {
    return await agent.seconds();
  } finally {
    await agent.stop();
  }
}

async function ours(): Promise<number> {
  const cluster = await ClusterLab.start("vm-beside", 17944);
  try {
    cluster.declare({ systemDiskGiB: 4 });
    const bringing = cluster.lab.up();
    bringing.catch(() => undefined);
    const ready = await eventually("agent-1 is Ready", 1200, async () => {
      expect(holds(await nodeOf(cluster, "agent-1"), "Ready")).toBe(true);
      return Date.now();
    });
    const seconds = (ready - (await cluster.poweredOn())) / 1000;
    await bringing;
    return seconds;
  } finally {
    await cluster.stop();
  }
}

test("a node is Ready in less than two and a half times what k3s alone takes", async () => {
  const alone = await bare();
  note("from power-on to Ready: k3s alone", alone);
  const node = await ours();
  note("from power-on to Ready: a node of ours", node);
  process.stdout.write(`    ratio ${(node / alone).toFixed(2)}\n`);
  expect(node / alone).toBeLessThan(limit);
});
