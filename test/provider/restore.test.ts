/** A run that restores the cluster: servers get the order, nobody leaves a cluster that is no more, members are waited for. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRestoreOrder } from "../../provider/logic/restore-order.ts";
import { fakeNode } from "./fake-kubernetes.ts";
import { Harness, agentMembership, runSteward, stewardOf, transportOf } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

const order = {
  ...({ id: "a1", server: "server-1", from: "s3", snapshot: "on-demand-1" } as const),
  nodes: { "server-1": "", "server-2": "100.64.0.7" },
};
const file = "ID=a1\nSERVER=server-1\nFROM=s3\nSNAPSHOT=on-demand-1\nNODES=server-1= server-2=100.64.0.7\n";

describe("NodeConfig", () => {
  const config = (node: string, role: string) => ({
    nodeName: node,
    transport: transportOf(node),
    identity: "v1",
    files: { "etc/rancher/k3s/config.yaml": "node-name: x\n" },
    secretFiles: { "secrets/server-token": "t" },
    joinFile: {
      path: "join.conf",
      fresh: `ROLE=${role}\nMODE=init\n`,
      initialised: `ROLE=${role}\nMODE=join\n`,
    },
    initialised: true,
  });
  const given = (node: string): string | undefined =>
    h.podman.files.get(stewardOf(node))?.get("restore.conf");
  beforeEach(() => {
    for (const node of ["server-1", "agent-1"]) runSteward(h, node);
  });

  it("gives every server the order, a new one too, and no agent", async () => {
    const server = config("server-1", "server");
    const { state } = await h.create("NodeConfig", server);
    expect(given("server-1")).toBeUndefined();
    const agent = config("agent-1", "agent");
    const { state: agentState } = await h.create("NodeConfig", agent);

    h.order = order;
    expect(await h.diff("NodeConfig", state, server)).toEqual({ restored: "update" });
    expect(await h.diff("NodeConfig", agentState, agent)).toEqual({});
    const updated = await h.update("NodeConfig", state, server);
    expect(given("server-1")).toBe(file);
    // Given once: the node removes it when it is done.
    expect(await h.diff("NodeConfig", updated, server)).toEqual({});
    h.podman.files.get(stewardOf("server-1"))?.delete("restore.conf");
    h.order = undefined;
    expect(await h.diff("NodeConfig", (await h.read("NodeConfig", updated)) ?? {}, server)).toEqual({});

    h.order = { ...order, id: "b2" };
    h.podman.files.clear();
    const { state: made } = await h.create("NodeConfig", server);
    expect(given("server-1")).toBe(file.replace("a1", "b2"));
    expect(made).toMatchObject({ joinVariant: "initialised", restored: "b2" });
  });
});

describe("the server that began the cluster", () => {
  it("joins it like every other from the restore on", async () => {
    runSteward(h, "server-1");
    const inputs = {
      nodeName: "server-1",
      transport: transportOf("server-1"),
      identity: "v1",
      files: {},
      joinFile: {
        path: "join.conf",
        fresh: "ROLE=server\nMODE=init\n",
        initialised: "ROLE=server\nMODE=join\n",
      },
      initialised: false,
    };
    const { state } = await h.create("NodeConfig", inputs);
    expect(state).toMatchObject({ joinVariant: "fresh" });
    h.order = { ...order, server: "server-2" };
    expect(await h.update("NodeConfig", state, inputs)).toMatchObject({ joinVariant: "initialised" });
    expect(h.podman.files.get(stewardOf("server-1"))?.get("join.conf")).toBe("ROLE=server\nMODE=join\n");
  });
});

describe("Membership", () => {
  const restarts = (): number =>
    h.podman.commands.filter((command) => command === "restart homespan-ci-agent-1-k3s").length;
  const lease = (renewTime: string) => ({
    metadata: { name: "agent-1", namespace: "kube-node-lease" },
    spec: { renewTime },
  });
  beforeEach(() => {
    h.podman.containers.set("homespan-ci-headscale", {
      ...{ name: "homespan-ci-headscale", running: true, pod: "", networks: [] },
      labels: { "homespan.cluster": "ci" },
    });
    runSteward(h, "agent-1");
    h.podman.stageFiles.set(
      stewardOf("agent-1"),
      JSON.stringify({ stages: [{ name: "ready", state: "done", attempts: 1 }] }),
    );
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1"));
    h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.1");
  });

  it("is looked at again, and waits until the kubelet has reported: the snapshot calls its node Ready", async () => {
    const inputs = { ...agentMembership, waitSeconds: 20 };
    const { state } = await h.create("Membership", inputs);
    h.order = order;
    expect(await h.diff("Membership", state, inputs)).toEqual({ restored: "update" });
    h.kubernetes.leases.set("agent-1", lease("2026-11-21T10:00:00Z"));
    await expect(h.update("Membership", state, inputs)).rejects.toThrow("was not Ready within 20 s");

    h.kubernetes.secrets.add("agent-1.node-password.k3s");
    const sleep = h.clock.sleep.bind(h.clock);
    h.clock.sleep = (milliseconds, signal) => {
      h.kubernetes.leases.set("agent-1", lease(new Date(h.clock.now()).toISOString()));
      return sleep(milliseconds, signal);
    };
    // A machine that is newer than the snapshot has another password than the one that came back; its k3s brings it.
    await expect(h.update("Membership", state, inputs)).rejects.toThrow("k3s keeps no password of it");
    expect([...h.kubernetes.secrets]).toEqual([]);
    expect(restarts()).toBe(1);

    const command = h.podman.command.bind(h.podman);
    h.podman.command = (args, options) => {
      if (args[0] === "restart") h.kubernetes.secrets.add("agent-1.node-password.k3s");
      return command(args, options);
    };
    const updated = await h.update("Membership", state, inputs);
    expect(updated).toMatchObject({ ready: true, restored: "a1" });
    expect(await h.diff("Membership", updated, inputs)).toEqual({});
    expect(restarts()).toBe(2);
    expect([...h.kubernetes.secrets]).toEqual(["agent-1.node-password.k3s"]);
  });

  it("does not start a lost machine's successor again: its password comes by itself, and is left alone", async () => {
    const inputs = { ...agentMembership, waitSeconds: 20 };
    h.order = { ...order, nodes: { "agent-1": "" } };
    h.kubernetes.secrets.add("agent-1.node-password.k3s");
    const sleep = h.clock.sleep.bind(h.clock);
    h.clock.sleep = (milliseconds, signal) => {
      h.kubernetes.leases.set("agent-1", lease(new Date(h.clock.now()).toISOString()));
      return sleep(milliseconds, signal);
    };
    const { state } = await h.create("Membership", inputs);
    expect(state).toMatchObject({ ready: true, restored: "a1" });
    expect(restarts()).toBe(0);
    expect([...h.kubernetes.secrets]).toEqual(["agent-1.node-password.k3s"]);
  });

  it("leaves without asking a cluster that is no more, and frees its place in the tailnet", async () => {
    const { state } = await h.create("Membership", agentMembership);
    h.kubernetes.answering = new Set();
    await expect(h.delete("Membership", state)).rejects.toThrow("./homespan restore");
    h.order = order;
    await h.delete("Membership", state);
    expect(h.headscale.devices).toEqual([]);
  });
});

describe("the order", () => {
  it("is what ./homespan restore sets, or nothing", () => {
    expect(readRestoreOrder(undefined)).toBeUndefined();
    expect(readRestoreOrder("")).toBeUndefined();
    expect(readRestoreOrder(JSON.stringify(order))).toEqual(order);
    const { nodes: _, ...former } = order;
    expect(readRestoreOrder(JSON.stringify(former))).toEqual({ ...order, nodes: {} });
    for (const broken of [{ snapshot: "a\nID=b2" }, { nodes: { "a b": "" } }, { nodes: { a: "1 b=2" } }]) {
      expect(() => readRestoreOrder(JSON.stringify({ ...order, ...broken }))).toThrow(
        "`HOMESPAN_RESTORE` must be what ./homespan restore sets",
      );
    }
  });
});
