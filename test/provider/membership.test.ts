/** Membership. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UNKNOWN } from "../../provider/server/values.ts";
import { CallError, Harness, isSecret, secret, runSteward, stewardOf, transportOf } from "./harness.ts";
import { fakeNode } from "./fake-kubernetes.ts";
import { readyStages, refuse } from "./trouble.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

const one = "https://127.0.0.1:6443";
const two = "https://127.0.0.1:6444";
const three = "https://127.0.0.1:6445";

describe("Membership", () => {
  const agent = {
    clusterName: "ci",
    nodeName: "agent-1",
    role: "agent",
    kubeconfig: secret("kubeconfig"),
    endpoints: [one],
    transport: transportOf("agent-1"),
    identity: "v1",
    etcd: false,
    labels: { "homespan.dev/site": "home", "node-type": "steward" },
    tailnet: { kind: "headscale", container: "homespan-ci-headscale" },
    hostName: "ci-agent-1",
    tag: "tag:ci-agent",
    waitSeconds: 20,
    drainSeconds: 10,
  };
  const server = {
    ...agent,
    nodeName: "server-1",
    role: "server",
    endpoints: [one, two, three],
    ownEndpoint: one,
    transport: transportOf("server-1"),
    etcd: true,
    hostName: "ci-server-1",
    tag: "tag:ci-server",
  };
  beforeEach(() => {
    h.podman.containers.set("homespan-ci-headscale", {
      name: "homespan-ci-headscale",
      running: true,
      labels: { "homespan.cluster": "ci" },
      pod: "",
      networks: [],
    });
    runSteward(h, "agent-1");
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { address: "100.64.0.2" }));
    for (const name of ["server-1", "server-2", "server-3"]) {
      h.kubernetes.nodes.set(name, fakeNode(name, { etcd: true }));
    }
    h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.2");
  });

  it("labels a Ready node and knows its device", async () => {
    const { id, state } = await h.create("Membership", agent);
    expect(id).toBe("ci/agent-1");
    expect(state).toMatchObject({
      ready: true,
      foundLabels: agent.labels,
      tailnetAddress: "100.64.0.2",
      deviceId: "1",
      nodeUid: "uid-agent-1",
    });
    expect(isSecret(state["kubeconfig"])).toBe(true);
    expect(await h.diff("Membership", (await h.read("Membership", state)) ?? {}, agent)).toEqual({});
  });

  it("removes labels it dropped, restores those changed by hand, and leaves others alone", async () => {
    const { state } = await h.create("Membership", agent);
    const labels = h.kubernetes.nodes.get("agent-1")?.metadata.labels ?? {};
    labels["someone/else"] = "1";
    labels["node-type"] = "changed";
    const found = (await h.read("Membership", state)) ?? {};
    expect(await h.diff("Membership", found, agent)).toEqual({ 'foundLabels["node-type"]': "update" });
    const news = { ...agent, labels: { "node-type": "steward" } };
    expect(await h.diff("Membership", state, news)).toEqual({ 'labels["homespan.dev/site"]': "delete" });
    await h.update("Membership", found, news);
    expect(h.kubernetes.nodes.get("agent-1")?.metadata.labels).toEqual({
      "node-type": "steward",
      "someone/else": "1",
    });
  });

  it("removes a label it dropped although the update that was to do so failed", async () => {
    const { state } = await h.create("Membership", agent);
    const news = { ...agent, labels: { "node-type": "steward", new: "1" } };
    const node = fakeNode("agent-1", { address: "100.64.0.2" });
    node.metadata.labels = { ...agent.labels };
    const down = fakeNode("agent-1", { address: "100.64.0.2", ready: false });
    h.kubernetes.nodes.set("agent-1", { ...down, metadata: node.metadata });
    const error: unknown = await h.update("Membership", state, news).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CallError);
    const kept = (error as CallError).kept ?? {};
    expect(kept).toMatchObject({ labels: { ...agent.labels, new: "1" }, foundLabels: agent.labels });
    h.kubernetes.nodes.set("agent-1", node);
    h.podman.stageFiles.set(stewardOf("agent-1"), readyStages());
    expect(await h.diff("Membership", kept, news)).toMatchObject({ 'labels["homespan.dev/site"]': "delete" });
    const healed = await h.update("Membership", kept, news);
    expect(node.metadata.labels).toEqual({ "node-type": "steward", new: "1" });
    expect(await h.diff("Membership", healed, news)).toEqual({});
  });

  it("is gone when its Node is, and not Ready but kept when no API answers", async () => {
    const { state } = await h.create("Membership", agent);
    h.kubernetes.answering = new Set();
    const unknown = (await h.read("Membership", state)) ?? {};
    expect(unknown).toMatchObject({ ready: false, nodeUid: "uid-agent-1" });
    expect(await h.diff("Membership", unknown, agent)).toEqual({ ready: "update" });
    h.kubernetes.answering = undefined;
    h.kubernetes.nodes.delete("agent-1");
    expect(await h.read("Membership", state)).toBeUndefined();
  });

  it("makes k3s register again when the Node object of a running node was deleted", async () => {
    h.kubernetes.nodes.delete("agent-1");
    h.podman.stageFiles.set(
      stewardOf("agent-1"),
      JSON.stringify({ stages: [{ name: "ready", state: "done", attempts: 1 }] }),
    );
    await expect(h.create("Membership", agent)).rejects.toThrow("it has not registered");
    expect(h.podman.commands).toEqual(["restart homespan-ci-agent-1-k3s"]);
  });

  it("asks a node that does not come up less and less, as it costs a slow one seconds", async () => {
    h.kubernetes.nodes.delete("agent-1");
    const asked = vi.spyOn(h.podman, "exec");
    await expect(h.create("Membership", { ...agent, waitSeconds: 120 })).rejects.toThrow(
      "it has not registered",
    );
    // After 4, 12, 28, 60 and 92 s, and for the error.
    expect(asked).toHaveBeenCalledTimes(6);
  });

  it("does not believe the cluster that a node without its steward is Ready", async () => {
    const { state } = await h.create("Membership", agent);
    h.podman.containers.delete(stewardOf("agent-1"));
    const found = (await h.read("Membership", state)) ?? {};
    expect(await h.diff("Membership", found, agent)).toEqual({ ready: "update" });
    await expect(h.update("Membership", found, agent)).rejects.toThrow("the node itself does not answer");
    runSteward(h, "agent-1");
    h.podman.stageFiles.set(
      stewardOf("agent-1"),
      JSON.stringify({ stages: [{ name: "ready", state: "done", attempts: 1 }] }),
    );
    expect(await h.update("Membership", found, agent)).toMatchObject({ ready: true });
  });

  it("keeps a Node that never became Ready, so that it is removed later", async () => {
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { ready: false }));
    const error: unknown = await h.create("Membership", agent).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CallError);
    const { message, kept } = error as CallError;
    expect(message).toContain("node agent-1 was not Ready within 20 s");
    expect(message).toContain("its Node says: container runtime is down");
    expect(message).not.toContain("    at ");
    expect(kept).toMatchObject({ ready: false, nodeUid: "uid-agent-1" });
    expect(isSecret(kept?.["kubeconfig"])).toBe(true);
  });

  it("waits for the pod network of a node whose kubelet is Ready", async () => {
    const node = fakeNode("agent-1", {});
    delete node.metadata.annotations;
    h.kubernetes.nodes.set("agent-1", node);
    await expect(h.create("Membership", agent)).rejects.toThrow("its Node says: flannel has not started");
  });

  it("is replaced with the identity alone", async () => {
    const { state } = await h.create("Membership", agent);
    expect(await h.diff("Membership", state, { ...agent, identity: UNKNOWN })).toEqual({
      identity: "replace",
    });
    expect(await h.diff("Membership", state, { ...agent, transport: UNKNOWN })).toEqual({
      transport: "update",
    });
    expect(await h.diff("Membership", state, { ...agent, kubeconfig: UNKNOWN })).toEqual({
      kubeconfig: "update",
    });
    expect(await h.diff("Membership", state, { ...agent, waitSeconds: 1 })).toEqual({});
  });

  it("leaves in order: cordon, drain, Node, its last pods, node password, device", async () => {
    const { state } = await h.create("Membership", agent);
    h.kubernetes.secrets.add("agent-1.node-password.k3s");
    const pod = (name: string, owner: string, held = false) => ({
      metadata: { name, namespace: "default", ownerReferences: [{ kind: owner }] },
      spec: { nodeName: "agent-1" },
      status: { phase: "Running" },
      held,
    });
    h.kubernetes.pods.push(
      pod("web", "ReplicaSet"),
      pod("held", "ReplicaSet", true),
      pod("log", "DaemonSet"),
    );
    h.kubernetes.calls.length = 0;
    await h.delete("Membership", state);
    const order = h.kubernetes.calls.filter((call) => !call.startsWith("GET"));
    expect(order[0]).toBe("PATCH /api/v1/nodes/agent-1");
    expect(order[1]).toBe("POST /api/v1/namespaces/default/pods/web/eviction");
    expect(order.slice(-4)).toEqual([
      "DELETE /api/v1/namespaces/default/pods/held",
      "DELETE /api/v1/nodes/agent-1",
      "DELETE /api/v1/namespaces/default/pods/log",
      "DELETE /api/v1/namespaces/kube-system/secrets/agent-1.node-password.k3s",
    ]);
    expect(h.kubernetes.pods).toEqual([]);
    expect(h.headscale.devices).toEqual([]);
    await h.delete("Membership", state);
  });

  it("does not wait for pods that come back to the node although it is cordoned", async () => {
    const { state } = await h.create("Membership", agent);
    const pods = h.kubernetes.pods;
    const web = (name: string) => ({
      metadata: { name, namespace: "default", ownerReferences: [{ kind: "ReplicaSet" }] },
      spec: { nodeName: "agent-1" },
      status: { phase: "Running" },
      held: false,
    });
    pods.push(web("web-1"));
    h.kubernetes.evicted = () => {
      pods.push(web(`web-${String(h.kubernetes.calls.length)}`));
    };
    const begun = h.clock.now();
    await h.delete("Membership", state);
    expect(h.clock.now() - begun).toBeLessThan(agent.drainSeconds * 1000);
    expect(pods).toEqual([]);
  });

  it("does not wait for the pods of a node that is down", async () => {
    const { state } = await h.create("Membership", agent);
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { ready: false }));
    h.kubernetes.calls.length = 0;
    await h.delete("Membership", state);
    expect(h.kubernetes.calls.some((call) => call.endsWith("/eviction"))).toBe(false);
    expect(h.kubernetes.nodes.has("agent-1")).toBe(false);
  });

  it("removes a server's etcd member first, under the lock, through the other servers", async () => {
    const { state } = await h.create("Membership", server);
    await h.delete("Membership", state);
    expect(h.kubernetes.usedEndpoints).toEqual([two, three]);
    const calls = h.kubernetes.calls.filter((call) => !call.startsWith("GET"));
    const at = (text: string): number => calls.findIndex((call) => call.startsWith(text));
    expect(at("POST /apis/coordination")).toBeLessThan(at("DELETE /api/v1/nodes/server-1"));
    expect(h.kubernetes.leases.size).toBe(0);
    expect(h.kubernetes.nodes.has("server-1")).toBe(false);
  });

  it("lets servers go one after the other, each once the replacement of the former votes", async () => {
    const first = await h.create("Membership", server);
    const other = { ...server, nodeName: "server-2", ownEndpoint: two, hostName: "ci-server-2" };
    const second = await h.create("Membership", other);
    await h.delete("Membership", first.state);
    // Its machine is made anew meanwhile: it registers, votes later, and its API answers last.
    const learner = fakeNode("server-1", { etcd: true, member: "MemberIsLearner" });
    const begun = h.clock.now();
    h.kubernetes.answering = new Set([two, three]);
    const seen: boolean[] = [];
    const sleep = h.clock.sleep.bind(h.clock);
    h.clock.sleep = async (milliseconds, signal) => {
      seen.push(h.kubernetes.nodes.has("server-2"));
      await sleep(milliseconds, signal);
      const seconds = (h.clock.now() - begun) / 1000;
      if (seconds > 5) h.kubernetes.nodes.set("server-1", learner);
      if (seconds > 10) h.kubernetes.answering = undefined;
      if (seconds > 15) h.kubernetes.nodes.set("server-1", fakeNode("server-1", { etcd: true }));
    };
    await h.delete("Membership", second.state);
    expect(h.clock.now() - begun).toBeGreaterThan(15_000);
    expect(new Set(seen)).toEqual(new Set([true]));
    expect([...h.kubernetes.nodes.keys()].sort()).toEqual(["agent-1", "server-1", "server-3"]);
  });

  it("leaves a server as it is while a former one has not come back", async () => {
    const { state } = await h.create("Membership", server);
    h.kubernetes.nodes.delete("server-2");
    await expect(h.delete("Membership", state)).rejects.toThrow(
      "server-1 was left as it is: servers leave one at a time, and after 40 s the others are not complete: of 2 others " +
        "only these vote in etcd and are Ready: server-3",
    );
    // The cluster calls a server Ready for a while after its end.
    h.kubernetes.nodes.set("server-2", fakeNode("server-2", { etcd: true }));
    h.kubernetes.answering = new Set([one, three]);
    await expect(h.delete("Membership", state)).rejects.toThrow(`not complete: ${two} is not ready`);
    expect(h.kubernetes.nodes.has("server-1")).toBe(true);
    expect(h.kubernetes.leases.size).toBe(0);
  });

  it("waits for no server that the configuration does not have any more", async () => {
    const { state: stays } = await h.create("Membership", server);
    const goes = (name: string, ownEndpoint: string) => ({ ...server, nodeName: name, ownEndpoint });
    const second = await h.create("Membership", goes("server-2", two));
    const third = await h.create("Membership", goes("server-3", three));
    // Three servers become one; its own membership is looked at first.
    await h.diff("Membership", stays, { ...server, endpoints: [one] });
    const begun = h.clock.now();
    await h.delete("Membership", third.state);
    await h.delete("Membership", second.state);
    expect(h.clock.now() - begun).toBeLessThan(1000);
    expect([...h.kubernetes.nodes.keys()].sort()).toEqual(["agent-1", "server-1"]);
  });

  describe("an etcd member that runs", () => {
    const stops = (): string[] =>
      [...h.podman.execs, ...h.podman.commands].filter((line) =>
        /k3s-stop|k3s-start|^(stop|restart) /.test(line),
      );
    /** What was done to k3s when the member was asked to leave. */
    const before = (): (() => readonly string[]) => {
      let seen: readonly string[] | undefined;
      h.kubernetes.leaving = () => (seen ??= stops());
      return () => seen ?? ["nobody was asked"];
    };
    const stopped = [
      `${stewardOf("server-1")} /usr/lib/homespan/k3s-stop`,
      "stop --ignore --time=30 homespan-ci-server-1-k3s",
    ];

    it("is stopped for good before it leaves: it would join again", async () => {
      const { state } = await h.create("Membership", server);
      runSteward(h, "server-1");
      const seen = before();
      await h.delete("Membership", state);
      expect(seen()).toEqual(stopped);
      expect(stops()).toEqual(stopped);
    });

    it("is stopped right after, where etcd needs it to decide", async () => {
      const { state } = await h.create("Membership", { ...server, endpoints: [one, two] });
      h.kubernetes.nodes.delete("server-3");
      runSteward(h, "server-1");
      const seen = before();
      await h.delete("Membership", state);
      expect(seen()).toEqual([]);
      expect(stops()).toEqual(stopped);
    });

    it("is started again when etcd does not let it go", async () => {
      const { state } = await h.create("Membership", server);
      runSteward(h, "server-1");
      h.kubernetes.etcdAnswers = false;
      await expect(h.delete("Membership", state)).rejects.toThrow("etcd did not remove the member");
      expect(stops().slice().sort()).toEqual(
        [
          ...stopped,
          `${stewardOf("server-1")} /usr/lib/homespan/k3s-start`,
          "restart homespan-ci-server-1-k3s",
        ].sort(),
      );
    });

    it("stays a Node when its k3s cannot be stopped, until that is seen to", async () => {
      const { state } = await h.create("Membership", server);
      runSteward(h, "server-1");
      h.podman.failing = "stop --ignore";
      await expect(h.delete("Membership", state)).rejects.toThrow(
        "server-1 has left etcd, but its k3s cannot be stopped: it joins again under its old name, for which etcd refuses the " +
          "next machine of this name. Stop k3s there (k3s-stop), or end the machine, and run again",
      );
      expect(h.kubernetes.nodes.has("server-1")).toBe(true);
      h.podman.containers.delete(stewardOf("server-1"));
      await h.delete("Membership", state);
      expect(h.kubernetes.nodes.has("server-1")).toBe(false);
    });

    it("leaves without a stop when nobody can ask for one, but nothing of it answers either", async () => {
      const { state } = await h.create("Membership", server);
      runSteward(h, "server-1");
      h.podman.failing = "stop --ignore";
      h.kubernetes.answering = new Set([two, three]);
      await h.delete("Membership", state);
      expect(h.kubernetes.nodes.has("server-1")).toBe(false);
    });

    it("is stopped without its steward, where that has ended and k3s runs on", async () => {
      const { state } = await h.create("Membership", server);
      runSteward(h, "server-1");
      const name = "homespan-ci-server-1-k3s";
      const pod = "homespan-ci-server-1";
      h.podman.containers.set(name, { name, running: true, labels: {}, pod, networks: [] });
      h.podman.containers.delete(stewardOf("server-1"));
      const seen = before();
      await h.delete("Membership", state);
      expect(seen()).toEqual(stopped);
    });

    it("is started again when the API cannot tell who leads", async () => {
      const { state } = await h.create("Membership", server);
      runSteward(h, "server-1");
      refuse(h, "GET /apis/coordination.k8s.io/v1/namespaces/kube-system/leases", 403);
      await expect(h.delete("Membership", state)).rejects.toThrow("listing leases failed: HTTP 403");
      expect(stops().at(-1)).toBe("restart homespan-ci-server-1-k3s");
    });

    it("gives up what it led as soon as the API answers again: it may have led etcd itself", async () => {
      const { state } = await h.create("Membership", server);
      runSteward(h, "server-1");
      const metadata = { name: "k3s-etcd", resourceVersion: "1" };
      h.kubernetes.leases.set("k3s-etcd", { metadata, spec: { holderIdentity: "server-1" } });
      // More often than a single call is repeated.
      refuse(h, "GET /apis/coordination.k8s.io/v1/namespaces/kube-system/leases", 500, 40);
      await h.delete("Membership", state);
      expect(h.kubernetes.leases.get("k3s-etcd")?.spec["holderIdentity"]).toBe("");
      expect(stops()).toEqual(stopped);
    });

    it("is started when it is wanted again and was stopped on its way out", async () => {
      runSteward(h, "agent-1");
      h.kubernetes.nodes.delete("agent-1");
      const paused = {
        name: "k3s",
        state: "waiting",
        attempts: 1,
        error: "stopped on purpose; k3s-start starts it",
      };
      h.podman.stageFiles.set(stewardOf("agent-1"), JSON.stringify({ stages: [paused] }));
      const sleep = h.clock.sleep.bind(h.clock);
      h.clock.sleep = async (milliseconds, signal) => {
        if (stops().length > 0) h.kubernetes.nodes.set("agent-1", fakeNode("agent-1"));
        await sleep(milliseconds, signal);
      };
      await h.create("Membership", agent);
      expect(stops()).toEqual([
        `${stewardOf("agent-1")} /usr/lib/homespan/k3s-start`,
        "restart homespan-ci-agent-1-k3s",
      ]);
    });
  });

  it("takes from a server that ended or is stopped what it led, so that nobody waits for it", async () => {
    const led = (name: string, holderIdentity: string): void => {
      h.kubernetes.leases.set(name, { metadata: { name, resourceVersion: "1" }, spec: { holderIdentity } });
    };
    const holders = (): unknown[] =>
      [...h.kubernetes.leases.values()].map(({ spec }) => spec["holderIdentity"]);
    const { state } = await h.create("Membership", server);
    led("k3s-etcd", "server-1");
    led("kube-scheduler", "server-1_5f0c");
    led("k3s", "server-2");
    runSteward(h, "server-1");
    h.podman.failing = "stop --ignore";
    await expect(h.delete("Membership", state)).rejects.toThrow("its k3s cannot be stopped");
    expect(holders()).toEqual(["server-1", "server-1_5f0c", "server-2"]);
    h.podman.failing = undefined;
    h.kubernetes.nodes.set("server-1", fakeNode("server-1", { etcd: true }));
    await h.delete("Membership", state);
    expect(holders()).toEqual(["", "", "server-2"]);
    led("k3s-etcd", "server-1");
    led("kube-scheduler", "server-1_5f0c");
    h.podman.containers.delete(stewardOf("server-1"));
    h.kubernetes.nodes.set("server-1", fakeNode("server-1", { etcd: true }));
    await h.delete("Membership", state);
    expect(holders()).toEqual(["", "", "server-2"]);
  });

  it("refuses what would cost etcd its quorum, naming the voters", async () => {
    const { state } = await h.create("Membership", server);
    h.kubernetes.nodes.set("server-2", fakeNode("server-2", { etcd: true, ready: false }));
    await expect(h.delete("Membership", state)).rejects.toThrow(
      "server-1 must not be removed: of the remaining etcd voters 1 would be Ready, 2 are needed: " +
        "server-2 (not Ready), server-3 (Ready)",
    );
    expect(h.kubernetes.nodes.has("server-1")).toBe(true);
    expect(h.kubernetes.leases.size).toBe(0);
  });

  it("says so when etcd does not let the member go", async () => {
    const { state } = await h.create("Membership", server);
    h.kubernetes.etcdAnswers = false;
    await expect(h.delete("Membership", state)).rejects.toThrow(
      "etcd did not remove the member of server-1 within 60 s",
    );
    expect(h.kubernetes.nodes.has("server-1")).toBe(true);
  });

  it("waits for another removal and takes over a lock that was left behind", async () => {
    const { state } = await h.create("Membership", server);
    const lease = (renewTime: string) => ({
      metadata: { name: "homespan-server-change", resourceVersion: "7" },
      spec: { holderIdentity: "server-2/x", renewTime, leaseDurationSeconds: 300 },
    });
    h.kubernetes.leases.set("homespan-server-change", lease(new Date(h.clock.now()).toISOString()));
    await expect(h.delete("Membership", state)).rejects.toThrow("held by server-2/x");
    h.kubernetes.leases.set("homespan-server-change", lease("2026-11-21T11:00:00Z"));
    await h.delete("Membership", state);
    expect(h.kubernetes.nodes.has("server-1")).toBe(false);
  });

  it("cannot remove the only server, nor anything while no server answers", async () => {
    const alone = await h.create("Membership", { ...server, endpoints: [one] });
    await expect(h.delete("Membership", alone.state)).rejects.toThrow("it is the cluster's only server");
    const { state } = await h.create("Membership", agent);
    h.kubernetes.answering = new Set();
    await expect(h.delete("Membership", state)).rejects.toThrow(
      "agent-1 cannot leave its cluster: no API endpoint answered (connection refused). Start one of its servers",
    );
  });

  it("leaves a device alone that does not carry the cluster's tag", async () => {
    const { state } = await h.create("Membership", agent);
    h.headscale.devices = h.headscale.devices.map((device) => ({ ...device, tags: ["tag:theirs"] }));
    await h.delete("Membership", state);
    expect(h.headscale.devices).toHaveLength(1);
  });
});
