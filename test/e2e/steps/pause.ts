/**
 * A node is cordoned and drained from inside, with its kubelet's credentials, as virtual machines are before they restart. What a
 * kubelet may do, the real API server says.
 */
import { expect, test } from "vitest";
import { kubeletApi, type OnNode } from "../../../provider/effects/kubelet-api.ts";
import { pauseNode, resumeLeftover, resumeNode, waitForNode } from "../../../provider/effects/node-pause.ts";
import { systemClock } from "../../../provider/effects/wait.ts";
import type { Cluster } from "../support/cluster.ts";
import { podman } from "../support/podman.ts";

const NODE = "agent-1";
/** Bound to the node, and of no controller. */
const pod = (name: string, nodeName: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 1,
      tolerations: [{ operator: "Exists" }],
      containers: [
        {
          name: "sleep",
          image: "docker.io/library/busybox:1.36",
          imagePullPolicy: "IfNotPresent",
          command: ["busybox", "sleep", "3600"],
        },
      ],
    },
  });

/** On a steward node k3s's kubectl is elsewhere than on a machine. */
function onNode(cluster: Cluster, node: string): OnNode {
  return async (argv, input) => {
    const command = argv.map((word) => word.replace("/usr/lib/homespan/bin/kubectl", "kubectl"));
    const container = cluster.container(node, "k3s");
    const { code, stdout, output } = await podman(["exec", "--interactive", container, ...command], {
      input: input ?? "",
      mayFail: true,
    });
    return { code, stdout, stderr: output };
  };
}

export function pause(cluster: Cluster): void {
  const run = onNode(cluster, NODE);
  const options = { clock: systemClock, signal: new AbortController().signal, seconds: 60 };
  const cordoned = async (): Promise<string> =>
    cluster.kubectl(["get", "node", NODE, "-o", "jsonpath={.spec.unschedulable}"]);

  test("a node drains itself, and lets pods come again", async () => {
    await cluster.kubectl(["apply", "--filename=-"], { input: pod("leaver", NODE) });
    await cluster.kubectl(["wait", "--for=condition=Ready", "pod/leaver", "--timeout=60s"]);
    const paused = await pauseNode(run, NODE, { ...options, mark: true });
    expect(paused).toMatchObject({ nodeName: NODE, wasCordoned: false });
    expect(paused?.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(await cordoned()).toBe("true");
    expect(
      await cluster.kubectl(["get", "pods", "--field-selector", `spec.nodeName=${NODE}`, "-o", "name"]),
    ).toBe("");
    // Nothing restarted it: the same boot.
    expect(await waitForNode(run, paused!, { ...options, seconds: 2 })).toBe(
      "its kubelet has not reported since the start",
    );
    expect(await waitForNode(run, { ...paused!, bootId: "another" }, options)).toBeUndefined();
    await resumeNode(run, paused!, systemClock);
    expect(await cordoned()).toBe("");
    // A run that was killed in between: the next one knows whose cordon it is.
    await pauseNode(run, NODE, { ...options, mark: true });
    await resumeLeftover(run, NODE, options);
    expect(await cordoned()).toBe("");
    await cluster.kubectl(["cordon", NODE]);
    await resumeLeftover(run, NODE, options);
    expect(await cordoned()).toBe("true");
    await cluster.kubectl(["uncordon", NODE]);
  });

  test("what is another node's it may not touch", async () => {
    await cluster.kubectl(["apply", "--filename=-"], { input: pod("stayer", "agent-2") });
    const api = kubeletApi(run);
    const evict = {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: "stayer", namespace: "default" },
    };
    const answers = [
      await api.call("PATCH", "/api/v1/nodes/agent-2", { spec: { unschedulable: true } }),
      await api.call("POST", "/api/v1/namespaces/default/pods/stayer/eviction", evict),
      await api.call("DELETE", "/api/v1/namespaces/default/pods/stayer"),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    await cluster.kubectl(["delete", "pod", "stayer", "--now"]);
  });
}
