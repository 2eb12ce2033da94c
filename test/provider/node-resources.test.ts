/** ClusterIdentity, ClusterAnchor, StewardNode, NodeConfig. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UNKNOWN } from "../../provider/server/values.ts";
import { Harness, isSecret, plain, secret } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

const steward = "homespan-ci-agent-1-steward";
const transport = { kind: "podman", container: steward };
const readyStages = JSON.stringify({
  node: "agent-1",
  stages: [{ name: "ready", state: "done", attempts: 1 }],
});

const node = {
  clusterName: "ci",
  nodeName: "agent-1",
  site: "home",
  networkName: "homespan-ci-home",
  hostAliases: { "control.homespan-ci.internal": "10.90.0.10" },
  volumeName: "homespan-ci-agent-1-data",
  identity: "v1",
  stewardImage: "localhost/homespan/steward:0.1.0",
  socketDirectory: "/run/homespan/ci",
  publish: [{ hostPort: 6443, containerPort: 6443 }],
  files: { "steward/node.conf": "NODE=agent-1\n", "steward/children/k3s.args": "k3s:1\n" },
};

describe("ClusterIdentity", () => {
  const inputs = { clusterName: "ci", serverTransports: [transport] };

  it("makes different secret tokens for servers and agents", async () => {
    const { state } = await h.create("ClusterIdentity", inputs);
    expect(isSecret(state["serverToken"]) && isSecret(state["agentToken"])).toBe(true);
    expect(plain(state)["serverToken"]).not.toBe(plain(state)["agentToken"]);
    expect(String(plain(state)["serverToken"])).toHaveLength(64);
    expect(state["initialised"]).toBe(false);
  });

  it("becomes initialised when a server was Ready, and never goes back", async () => {
    const { state } = await h.create("ClusterIdentity", inputs);
    expect(await h.read("ClusterIdentity", state)).toMatchObject({ initialised: false });
    await h.create("StewardNode", node);
    h.podman.stageFiles.set(steward, readyStages);
    const found = (await h.read("ClusterIdentity", state)) ?? {};
    expect(found).toMatchObject({ initialised: true });
    h.podman.containers.clear();
    const asked = h.podman.execs.length;
    expect(await h.read("ClusterIdentity", found)).toMatchObject({ initialised: true });
    expect(h.podman.execs).toHaveLength(asked);
  });

  it("keeps its tokens when servers are added, and in the preview of that", async () => {
    const { state } = await h.create("ClusterIdentity", inputs);
    const news = { clusterName: "ci", serverTransports: [] };
    expect(await h.diff("ClusterIdentity", state, news)).toEqual({ serverTransports: "update" });
    expect(plain(await h.update("ClusterIdentity", state, news, true))["serverToken"]).toBe(
      plain(state)["serverToken"],
    );
    expect(plain(await h.update("ClusterIdentity", state, news))["serverToken"]).toBe(
      plain(state)["serverToken"],
    );
    expect(await h.diff("ClusterIdentity", state, { ...inputs, clusterName: "b" })).toEqual({
      clusterName: "replace",
    });
    await h.delete("ClusterIdentity", state);
  });
});

describe("ClusterAnchor", () => {
  it("is there, stays, and changes with nothing but the cluster's name", async () => {
    const { state } = await h.create("ClusterAnchor", { clusterName: "ci" });
    expect(await h.read("ClusterAnchor", state)).toEqual({ clusterName: "ci" });
    expect(await h.diff("ClusterAnchor", state, { clusterName: "ci" })).toEqual({});
    await h.delete("ClusterAnchor", state);
  });
});

describe("StewardNode", () => {
  it("puts its files into the volume, then makes pod and steward", async () => {
    const { id, state } = await h.create("StewardNode", node);
    expect(id).toBe("homespan-ci-agent-1");
    expect(state).toMatchObject({ podName: id, transport, running: true });
    const files = h.podman.files.get(steward) ?? new Map();
    expect([...files.keys()].sort()).toEqual(["steward/children/k3s.args", "steward/node.conf"]);
    const text = [...h.podman.commands, ...h.podman.execs].join("\n");
    expect(text).toContain("--publish 127.0.0.1:6443:6443");
    expect(text).toContain("--add-host control.homespan-ci.internal:10.90.0.10");
    expect(await h.diff("StewardNode", (await h.read("StewardNode", state)) ?? {}, node)).toEqual({});
  });

  it("makes the pod anew for another build of the steward, which its container names", async () => {
    const { state } = await h.create("StewardNode", { ...node, stewardRevision: "r1" });
    const next = { ...node, stewardRevision: "r2" };
    expect(await h.diff("StewardNode", state, next)).toEqual({ stewardRevision: "update" });
    h.podman.commands.length = 0;
    await h.update("StewardNode", state, next);
    const run = h.podman.commands.find((command) => command.startsWith("run ")) ?? "";
    expect(run).toContain("--label homespan.steward-revision=r2");
  });

  it("takes over what an interrupted create left, and refuses a foreign pod", async () => {
    await h.create("StewardNode", node);
    await h.create("StewardNode", node);
    expect(h.podman.commands.filter((command) => command.startsWith("pod rm"))).toHaveLength(1);
    h.podman.pods.set("homespan-ci-agent-1", { name: "homespan-ci-agent-1", status: "Running", labels: {} });
    await expect(h.create("StewardNode", node)).rejects.toThrow(
      "pod homespan-ci-agent-1 must be free or belong",
    );
    expect(h.podman.pods.has("homespan-ci-agent-1")).toBe(true);
  });

  it("is built again on the same volume without its steward, and without its pod", async () => {
    const { state } = await h.create("StewardNode", node);
    h.podman.containers.delete(steward);
    const found = (await h.read("StewardNode", state)) ?? {};
    expect(await h.diff("StewardNode", found, node)).toEqual({ running: "update" });
    expect(await h.update("StewardNode", found, node)).toMatchObject({ running: true });
    expect(h.podman.containers.get(steward)?.running).toBe(true);
    h.podman.pods.clear();
    h.podman.containers.clear();
    const gone = (await h.read("StewardNode", state)) ?? {};
    expect(await h.diff("StewardNode", gone, node)).toEqual({ running: "update" });
    // With the volume lost too it is another node: the old one leaves before this one is made.
    expect(await h.diff("StewardNode", gone, { ...node, identity: UNKNOWN })).toEqual({
      identity: "replace",
      running: "update",
    });
    await h.update("StewardNode", gone, node);
    expect(h.podman.pods.has("homespan-ci-agent-1")).toBe(true);
  });

  it("is replaced with its identity alone, also when that is not known yet", async () => {
    const { state } = await h.create("StewardNode", node);
    expect(await h.diff("StewardNode", state, { ...node, identity: "v2" })).toEqual({ identity: "replace" });
    expect(await h.diff("StewardNode", state, { ...node, identity: UNKNOWN })).toEqual({
      identity: "replace",
    });
    expect(await h.diff("StewardNode", state, { ...node, stewardImage: "x" })).toEqual({
      stewardImage: "update",
    });
  });

  it("delivers changed files to the running steward and restarts it, with no new pod", async () => {
    const { state } = await h.create("StewardNode", node);
    const news = { ...node, files: { "steward/node.conf": "NODE=agent-1\nNEW=1\n" } };
    expect(await h.diff("StewardNode", state, news)).toEqual({
      'files["steward/children/k3s.args"]': "delete",
      'files["steward/node.conf"]': "update",
    });
    h.podman.commands.length = 0;
    await h.update("StewardNode", state, news);
    expect(h.podman.commands).toEqual([`restart ${steward}`]);
    expect([...(h.podman.files.get(steward)?.keys() ?? [])]).toEqual(["steward/node.conf"]);
  });

  it("makes the pod anew for another image", async () => {
    const { state } = await h.create("StewardNode", node);
    h.podman.commands.length = 0;
    await h.update("StewardNode", state, { ...node, stewardImage: "other:1" });
    expect(h.podman.commands.map((command) => command.split(" ").slice(0, 2).join(" "))).toEqual([
      "pod rm",
      "pod create",
      "volume import",
      "run --detach",
    ]);
  });

  it("fails in one line when the steward cannot start, and deletes a half-made and a missing node", async () => {
    h.podman.failing = "run";
    await expect(h.create("StewardNode", node)).rejects.toThrow("podman run");
    expect(h.podman.pods.size).toBe(1);
    h.podman.failing = undefined;
    const { state } = await h.create("StewardNode", node);
    await h.delete("StewardNode", state);
    await h.delete("StewardNode", state);
    expect(h.podman.pods.size + h.podman.containers.size).toBe(0);
  });

  it("previews a creation with what is known", async () => {
    const { id, state } = await h.create("StewardNode", { ...node, identity: UNKNOWN }, true);
    expect(id).toBe("");
    expect(state).toMatchObject({ podName: UNKNOWN, identity: UNKNOWN, clusterName: "ci" });
  });
});

describe("NodeConfig", () => {
  const inputs = {
    nodeName: "agent-1",
    transport,
    identity: "v1",
    files: { "etc/rancher/k3s/config.yaml": "flannel-iface: tailscale0\n" },
    secretFiles: { "secrets/agent-token": secret("the-token") },
    joinFile: { path: "join.conf", fresh: "MODE=init\n", initialised: "MODE=join\n" },
    initialised: false,
  };
  beforeEach(async () => {
    await h.create("StewardNode", node);
    h.podman.files.clear();
  });

  it("writes the files, the one k3s waits for last, and finds nothing to do afterwards", async () => {
    const { state } = await h.create("NodeConfig", inputs);
    const files = h.podman.files.get(steward) ?? new Map();
    expect([...files]).toEqual([
      ["etc/rancher/k3s/config.yaml", "flannel-iface: tailscale0\n"],
      ["secrets/agent-token", "the-token"],
      ["join.conf", "MODE=init\n"],
    ]);
    expect(isSecret(state["secretFiles"])).toBe(true);
    expect(JSON.stringify({ ...state, secretFiles: "" })).not.toContain("the-token");
    expect(await h.diff("NodeConfig", (await h.read("NodeConfig", state)) ?? {}, inputs)).toEqual({});
  });

  it("joins where the cluster is initialised, but not on a node that began it before a run was killed", async () => {
    const { state } = await h.create("NodeConfig", { ...inputs, initialised: true });
    expect(state).toMatchObject({ joinVariant: "initialised" });
    h.podman.files.clear();
    await h.create("NodeConfig", inputs);
    expect((await h.create("NodeConfig", { ...inputs, initialised: true })).state).toMatchObject({
      joinVariant: "fresh",
    });
  });

  it("ignores that the cluster becomes initialised", async () => {
    const { state } = await h.create("NodeConfig", inputs);
    expect(await h.diff("NodeConfig", state, { ...inputs, initialised: true })).toEqual({});
    expect(await h.diff("NodeConfig", state, { ...inputs, initialised: UNKNOWN })).toEqual({});
  });

  it("writes again what was changed or removed by hand", async () => {
    const { state } = await h.create("NodeConfig", inputs);
    h.podman.files.get(steward)?.set("etc/rancher/k3s/config.yaml", "changed");
    h.podman.files.get(steward)?.delete("join.conf");
    const found = (await h.read("NodeConfig", state)) ?? {};
    expect(await h.diff("NodeConfig", found, inputs)).toEqual({
      'checksums["etc/rancher/k3s/config.yaml"]': "update",
      'checksums["join.conf"]': "update",
    });
    const healed = await h.update("NodeConfig", found, inputs);
    expect(await h.diff("NodeConfig", (await h.read("NodeConfig", healed)) ?? {}, inputs)).toEqual({});
  });

  it("names a changed file once, and removes a dropped one", async () => {
    const { state } = await h.create("NodeConfig", inputs);
    const news = { ...inputs, files: { "etc/rancher/k3s/registries.yaml": "{}" } };
    expect(await h.diff("NodeConfig", state, news)).toEqual({
      'files["etc/rancher/k3s/config.yaml"]': "delete",
      'files["etc/rancher/k3s/registries.yaml"]': "add",
    });
    await h.update("NodeConfig", state, news);
    expect(h.podman.files.get(steward)?.has("etc/rancher/k3s/config.yaml")).toBe(false);
  });

  it("is replaced with the node's identity, keeps its state while the node is down, and is deleted without it", async () => {
    const { state } = await h.create("NodeConfig", inputs);
    expect(await h.diff("NodeConfig", state, { ...inputs, identity: UNKNOWN })).toEqual({
      identity: "replace",
    });
    expect(await h.diff("NodeConfig", state, { ...inputs, transport: UNKNOWN })).toEqual({
      transport: "update",
    });
    h.podman.containers.clear();
    expect(await h.read("NodeConfig", state)).toEqual(state);
    await h.delete("NodeConfig", state);
    await expect(h.create("NodeConfig", inputs)).rejects.toThrow(
      `writing files on ${steward} failed: no such container`,
    );
  });
});
