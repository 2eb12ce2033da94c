/** Changes of a node's configuration arrive without making the node again. */
import { expect, test } from "vitest";
import type { Cluster } from "../support/cluster.ts";
import { nodeOf } from "../support/kube.ts";
import { stateOf } from "../support/podman.ts";
import { eventually } from "../support/wait.ts";

async function identity(cluster: Cluster, node: string): Promise<readonly string[]> {
  return [
    (await stateOf(cluster.container(node, "infra"))).id,
    (await stateOf(cluster.container(node, "steward"))).id,
    (await nodeOf(cluster, node)).metadata.uid,
  ];
}

export function edits(cluster: Cluster): void {
  test("a label and a kubelet argument reach a running node", async () => {
    const before = await identity(cluster, "agent-1");
    await cluster.up("a label and a kubelet argument of one agent", {
      "nodes.agent-1.labels.tier": "fast",
      "nodes.agent-1.kubeletArgs": '["max-pods=77"]',
    });
    await eventually("the kubelet argument is in force", 60, async () => {
      const { capacity } = (await nodeOf(cluster, "agent-1")).status;
      expect(capacity["pods"]).toBe("77");
    });
    expect((await nodeOf(cluster, "agent-1")).metadata.labels?.["tier"]).toBe("fast");
    expect((await nodeOf(cluster, "agent-2")).metadata.labels?.["tier"]).toBeUndefined();
    expect(await identity(cluster, "agent-1")).toEqual(before);
  });

  test("a label changed by hand is found and set right", async () => {
    await cluster.kubectl(["label", "node", "agent-1", "--overwrite", "tier=slow"]);
    await cluster.up("a label changed by hand");
    expect((await nodeOf(cluster, "agent-1")).metadata.labels?.["tier"]).toBe("fast");
  });
}
