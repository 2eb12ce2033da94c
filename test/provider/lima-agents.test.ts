/** Four agents from one blueprint on one Mac, through the provider: restarts go one at a time, and nothing is left at the end. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Properties } from "../../provider/server/values.ts";
import { fakeNode } from "./fake-kubernetes.ts";
import { Harness } from "./harness.ts";
import { diskInputs, macInputs, plans, vmInputs } from "./samples-lima.ts";

interface Agent {
  readonly disk: Properties;
  readonly inputs: Properties;
  readonly state: Properties;
}

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

/** As an engine does it: the disks and machines of all at once. */
async function up(): Promise<{ mac: Properties; agents: Agent[] }> {
  const { state: mac } = await h.create("LimaMac", macInputs);
  const agents = await Promise.all(
    plans.map(async (_, index): Promise<Agent> => {
      const { state: disk } = await h.create("LimaDisk", diskInputs(index));
      const inputs = vmInputs(index, String(disk["identity"]), String(mac["vmType"]));
      const { state } = await h.create("LimaVm", inputs);
      return { disk, inputs, state };
    }),
  );
  for (const { nodeName, name } of plans) h.lima.join(name, fakeNode(nodeName));
  h.lima.commands.length = 0;
  return { mac, agents };
}

const starts = (): number[] => plans.map(({ name }) => h.lima.instances.get(name)?.starts ?? 0);

/** Runs a pod of a deployment there, and one of a daemon set's. */
function load(nodeName: string): void {
  h.kubernetes.pods.push(
    {
      metadata: { name: `web-${nodeName}`, namespace: "default" },
      spec: { nodeName },
      status: { phase: "Running" },
    },
    {
      metadata: { name: `ds-${nodeName}`, namespace: "default", ownerReferences: [{ kind: "DaemonSet" }] },
      spec: { nodeName },
      status: { phase: "Running" },
    },
  );
}

describe("four agents", () => {
  it("are as the blueprint says, and agent-4 as its override does", async () => {
    await up();
    const found = plans.map(({ name }) => h.lima.instances.get(name)?.config);
    expect(found.map((it) => [it?.cpus, it?.memory, it?.vmType])).toEqual([
      ...Array<unknown>(3).fill([3, "8192MiB", "vz"]),
      [4, "16384MiB", "vz"],
    ]);
    expect(found.map((it) => /ubuntu-[\d.]+/.exec(it?.images[1]?.location ?? "")?.[0])).toEqual([
      ...["ubuntu-24.04", "ubuntu-24.04", "ubuntu-24.04", "ubuntu-25.10"],
    ]);
    expect(
      plans.map(({ dataDisk }) => h.lima.disks.get(dataDisk)).map((it) => [it?.sizeGiB, it?.instance]),
    ).toEqual(plans.map(({ name }) => [300, name]));
    expect(new Set(found.map((it) => it?.message)).size).toBe(4);
  });

  it("more memory for one restarts that one alone, drained", async () => {
    const { agents } = await up();
    const { inputs, state } = agents[1]!;
    load("agent-2");
    let atStop: unknown;
    h.lima.began = (argv) => {
      if (argv[1] === "stop") {
        atStop = {
          cordoned: h.kubernetes.nodes.get("agent-2")?.spec.unschedulable,
          pods: h.kubernetes.pods.map(({ metadata }) => metadata.name),
        };
      }
    };
    const wanted = { ...inputs, memoryMiB: 12_288 };
    expect(await h.diff("LimaVm", state, wanted)).toEqual({ memoryMiB: "update" });
    const after = await h.update("LimaVm", state, wanted);
    expect(atStop).toEqual({ cordoned: true, pods: ["ds-agent-2"] });
    expect(starts()).toEqual([1, 2, 1, 1]);
    expect(h.lima.instances.get("home-agent-2")?.config.memory).toBe("12288MiB");
    expect(after).toMatchObject({ memoryMiB: 12_288, machineId: state["machineId"] });
    // Pods may come again.
    expect(h.kubernetes.nodes.get("agent-2")?.spec.unschedulable ?? false).toBe(false);
    expect(await h.diff("LimaVm", after, wanted)).toEqual({});
  });

  it("a change of all of them restarts one after the other, each when the former is Ready", async () => {
    const { agents } = await up();
    for (const { nodeName } of plans) load(nodeName);
    const running: number[] = [];
    h.lima.began = () => {
      running.push([...h.lima.instances.values()].filter(({ status }) => status === "Running").length);
    };
    await Promise.all(agents.map(({ state, inputs }) => h.update("LimaVm", state, { ...inputs, cpus: 5 })));
    expect(starts()).toEqual([2, 2, 2, 2]);
    expect(Math.min(...running)).toBe(3);
    const order = h.lima.commands.flatMap(
      (it) => /^(?:--tty=false )?(stop|start) .*?(agent-\d)$/.exec(it)?.slice(1, 3) ?? [],
    );
    const pairs = order.flatMap((_, index) => (index % 4 === 0 ? [order.slice(index, index + 4)] : []));
    expect(pairs).toHaveLength(4);
    for (const [stop, stopped, start, started] of pairs) {
      expect([stop, start, stopped]).toEqual(["stop", "start", started]);
    }
  });

  it("one that is not Ready again in time stops the row, with its name", async () => {
    const { agents } = await up();
    for (const { name } of plans) h.lima.stuck.add(name);
    const before = h.clock.now();
    const outcomes = await Promise.allSettled(
      agents.map(({ state, inputs }) => h.update("LimaVm", state, { ...inputs, cpus: 5 })),
    );
    const messages = outcomes.map((it) => (it.status === "rejected" ? (it.reason as Error).message : "done"));
    expect(
      messages.filter((it) => /^agent-\d was not Ready again within 180 s of its restart/.test(it)),
    ).toHaveLength(1);
    expect(
      messages.filter((it) =>
        /was left as it is: .* one at a time, and agent-\d is not Ready again/.test(it),
      ),
    ).toHaveLength(3);
    expect(starts().toSorted()).toEqual([1, 1, 1, 2]);
    expect(h.clock.now() - before).toBeLessThan(200_000);
  });

  it("one whose cluster does not answer is left as it is, and lets pods come", async () => {
    const { agents } = await up();
    h.kubernetes.answering = new Set();
    await expect(h.update("LimaVm", agents[0]!.state, { ...agents[0]!.inputs, cpus: 5 })).rejects.toThrow(
      /^agent-1 was left as it is: it cannot be drained, as no server of its cluster answers it/,
    );
    expect(starts()).toEqual([1, 1, 1, 1]);
    // Stopped by hand, it is changed and started all the same.
    h.lima.instances.get("home-agent-1")!.status = "Stopped";
    await h.update("LimaVm", agents[0]!.state, { ...agents[0]!.inputs, cpus: 5 });
    expect(h.lima.instances.get("home-agent-1")).toMatchObject({ status: "Running", config: { cpus: 5 } });
  });

  it.each([
    ["does not answer in time", { stderr: "\nno answer within 60 s" }, "no answer within 60 s"],
    [
      "cannot be entered",
      {
        stderr:
          'ssh: connect to host 127.0.0.1 port 60101: Connection refused\nlevel=fatal msg="exit status 255"\n',
      },
      'ssh: connect to host 127.0.0.1 port 60101: Connection refused; level=fatal msg="exit status 255"',
    ],
    // As `limactl shell` of a machine that was stopped a moment ago.
    ["says nothing", { code: 0 }, "exit code 0 without a word"],
  ])("one whose machine %s is no machine without a node: nothing restarts", async (_what, deaf, said) => {
    const { agents } = await up();
    for (const { name } of plans) h.lima.deaf.set(name, deaf);
    const outcomes = await Promise.allSettled(
      agents.map(({ state, inputs }) => h.update("LimaVm", state, { ...inputs, cpus: 5 })),
    );
    const messages = outcomes.map((it) => (it.status === "rejected" ? (it.reason as Error).message : "done"));
    const own = `was left as it is: its machine does not tell whether it is a node already (${said}). Run up again; `;
    expect(messages.filter((it) => it.includes(own))).toHaveLength(1);
    expect(messages.filter((it) => it.includes("restart one at a time"))).toHaveLength(3);
    expect(starts()).toEqual([1, 1, 1, 1]);
    // Stopped by hand, it is changed and started all the same.
    h.lima.deaf.clear();
    h.lima.instances.get("home-agent-1")!.status = "Stopped";
    await h.update("LimaVm", agents[0]!.state, { ...agents[0]!.inputs, cpus: 5 });
    expect(starts()).toEqual([2, 1, 1, 1]);
  });

  it("one that never came up is asked nothing: it is left to whoever waits for its boot, or made anew", async () => {
    const { agents } = await up();
    const { inputs } = agents[0]!;
    const state = { ...agents[0]!.state, running: false, neverStarted: true };
    h.lima.deaf.set("home-agent-1", {});
    const left = await h.update("LimaVm", state, inputs);
    expect(left).toMatchObject({ running: true, neverStarted: true });
    const made = await h.update("LimaVm", left, { ...inputs, provision: [] });
    expect(made).not.toHaveProperty("neverStarted");
    expect(made["machineId"]).not.toBe(agents[0]!.state["machineId"]);
    // One that answers after all is a machine as every other.
    h.lima.deaf.clear();
    expect(
      await h.update("LimaVm", { ...made, neverStarted: true }, { ...inputs, provision: [] }),
    ).not.toHaveProperty("neverStarted");
  });

  it("one that nobody can enter for a moment after its restart is waited for", async () => {
    const { agents } = await up();
    let silent = 3;
    h.lima.began = (argv) => {
      if (argv.includes("start")) h.lima.deaf.set("home-agent-1", {});
      else if (argv.includes("shell") && h.lima.deaf.size > 0 && --silent === 0) h.lima.deaf.clear();
    };
    await h.update("LimaVm", agents[0]!.state, { ...agents[0]!.inputs, cpus: 5 });
    expect([silent, ...starts()]).toEqual([0, 2, 1, 1, 1]);
    expect(h.kubernetes.nodes.get("agent-1")?.spec.unschedulable ?? false).toBe(false);
  });

  it("a change that Lima does not take leaves the machine running as it was, open for pods", async () => {
    const { agents } = await up();
    h.lima.refusedEdit = "field `cpus` is wrong";
    const change = h.update("LimaVm", agents[0]!.state, { ...agents[0]!.inputs, cpus: 5 });
    await expect(change).rejects.toThrow(
      /^changing home-agent-1 on this machine failed: field `cpus` is wrong$/,
    );
    expect(h.lima.instances.get("home-agent-1")).toMatchObject({ status: "Running", config: { cpus: 3 } });
    expect(h.kubernetes.nodes.get("agent-1")?.spec.unschedulable ?? false).toBe(false);
  });

  it("a run that was killed after its restart is finished by the next one: pods may come again", async () => {
    const { agents } = await up();
    const { inputs, state } = agents[0]!;
    const wanted = { ...inputs, cpus: 5 };
    // Killed: the machine is changed, the node is left cordoned, and the state knows of neither.
    await h.update("LimaVm", state, wanted);
    const node = h.kubernetes.nodes.get("agent-1")!;
    node.spec.unschedulable = true;
    node.metadata.annotations = { ...node.metadata.annotations, "homespan.dev/restarts": "true" };
    await h.update("LimaVm", state, wanted);
    expect(node.spec.unschedulable ?? false).toBe(false);
    expect(node.metadata.annotations).not.toHaveProperty("homespan.dev/restarts");
    expect(starts()).toEqual([2, 1, 1, 1]);
    // A machine that does not tell whether it is a node keeps the run from saying that all is well.
    h.lima.deaf.set("home-agent-1", { stderr: "\nno answer within 60 s" });
    await expect(h.update("LimaVm", state, wanted)).rejects.toThrow(
      /^agent-1 was left as it is: .* \(no answer within 60 s\)\. Run up again/,
    );
    h.lima.deaf.clear();
    // Another's cordon has no mark.
    node.spec.unschedulable = true;
    await h.update("LimaVm", state, wanted);
    expect(node.spec.unschedulable).toBe(true);
  });

  it("a node that somebody cordoned stays so over its restart", async () => {
    const { agents } = await up();
    h.kubernetes.nodes.get("agent-1")!.spec.unschedulable = true;
    await h.update("LimaVm", agents[0]!.state, { ...agents[0]!.inputs, cpus: 5 });
    expect(h.kubernetes.nodes.get("agent-1")?.spec.unschedulable).toBe(true);
  });

  it("pods that a disruption budget holds are deleted when their time is over", async () => {
    const { agents } = await up();
    load("agent-1");
    h.kubernetes.pods[0]!.held = true;
    const before = h.clock.now();
    await h.update("LimaVm", agents[0]!.state, { ...agents[0]!.inputs, cpus: 5, drainSeconds: 30 });
    expect(h.kubernetes.pods.map(({ metadata }) => metadata.name)).toEqual(["ds-agent-1"]);
    expect(h.clock.now() - before).toBeGreaterThanOrEqual(30_000);
  });

  it("one that is no node yet restarts at once", async () => {
    const { agents } = await up();
    h.kubernetes.nodes.clear();
    await h.update("LimaVm", agents[0]!.state, { ...agents[0]!.inputs, cpus: 5 });
    expect(starts()).toEqual([2, 1, 1, 1]);
    expect(h.kubernetes.calls).toEqual([]);
  });

  it("destroyed leave nothing in Lima's lists, nor with launchd", async () => {
    const { mac, agents } = await up();
    // As an engine does it: the machines at once, each before its disk; nobody is drained, all of it goes.
    await Promise.all(
      agents.map(async ({ state, disk }) => {
        await h.delete("LimaVm", state);
        await h.delete("LimaDisk", disk);
      }),
    );
    await h.delete("LimaMac", mac);
    expect([...h.lima.instances.keys()]).toEqual([]);
    expect([...h.lima.disks.keys()]).toEqual([]);
    expect([...h.lima.launchd.keys()]).toEqual([]);
    expect(h.kubernetes.calls).toEqual([]);
    // Cleanly: the data's file systems were left by who used them.
    expect(h.lima.commands.filter((it) => it.startsWith("stop"))).toHaveLength(4);
  });
});
