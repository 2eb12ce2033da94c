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

/** How often the node's kube-proxy looks at all its rules, as it says itself: k3s runs it and kubelet in one process. */
async function proxySyncPeriod(cluster: Cluster, node: string): Promise<string | undefined> {
  const read = await cluster.kubectl(["get", "--raw", `/api/v1/nodes/${node}/proxy/configz`]);
  return /"syncPeriod":"([^"]*)"/i.exec(read)?.[1];
}

export function edits(cluster: Cluster): void {
  test("a label and a kubelet argument reach a running node, and an option of k3s all agents", async () => {
    const before = await identity(cluster, "agent-1");
    await cluster.up("a label and a kubelet argument of one agent, an option of k3s on all", {
      "nodes.agent-1.labels.tier": "fast",
      "nodes.agent-1.kubeletArgs": '["max-pods=77"]',
      "extraConfig.agent.kube-proxy-arg": '["iptables-sync-period=47s"]',
    });
    await eventually("the kubelet argument is in force", 60, async () => {
      const { capacity } = (await nodeOf(cluster, "agent-1")).status;
      expect(capacity["pods"]).toBe("77");
    });
    await eventually("the option of k3s is in force on both agents", 60, async () => {
      for (const agent of ["agent-1", "agent-2"]) {
        expect(await proxySyncPeriod(cluster, agent), agent).toBe("47s");
      }
    });
    expect(await proxySyncPeriod(cluster, "server-1")).not.toBe("47s");
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
