/** What stays behind: secrets after a signal, folders after the last stack, objects Podman was not asked for. */
import { execFileSync, spawn } from "node:child_process";
import { once as event } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { withKubeconfig } from "../../cli/cluster.ts";
import { examineMachine } from "../../cli/doctor/machine.ts";
import { withLock } from "../../cli/locks.ts";
import { startTime } from "../../toolchain/process.ts";
import { prepareStack, removeEmptyState } from "../../cli/state.ts";
import { destroy } from "../../cli/verbs/destroy.ts";
import { checkout, withCluster } from "./bed.ts";
import { bed, ci, failure, once } from "./verb-support.ts";

describe("Ctrl-C while kubectl runs", () => {
  test("leaves no kubeconfig and ends with 130", async () => {
    const made = withCluster(bed());
    await prepareStack(made.context, ci, []);
    const ready = join(made.folder, "ready");
    const { temporary } = made.context.paths;
    // A process group of its own, as a terminal gives it: the signal goes to all of it.
    const child = spawn(process.execPath, [join(checkout, "cli/main.ts"), "kubectl", "get", "pods", "-w"], {
      env: { ...made.environment, FAKE_READY: ready },
      detached: true,
      stdio: "ignore",
    });
    const ended = event(child, "exit");
    while (!existsSync(ready)) await sleep(50);
    expect(readdirSync(join(temporary, String(child.pid)))).toHaveLength(1);
    process.kill(-child.pid!, "SIGINT");
    expect(await ended).toEqual([130, null]);
    expect(readdirSync(temporary)).toEqual([]);
  });

  test("a kubeconfig that a killed run left goes with the next run", async () => {
    const { context } = bed();
    const left = join(context.paths.temporary, String(deadPid()));
    mkdirSync(left, { recursive: true });
    writeFileSync(join(left, "kubeconfig-x"), "secret");
    const inside = await withKubeconfig(context, "a", (file) =>
      // Two at once share the folder; the first to end leaves the other's file.
      withKubeconfig(context, "b", async () => existsSync(file)).then((first) => first && existsSync(file)),
    );
    expect(inside).toBe(true);
    expect(readdirSync(context.paths.temporary)).toEqual([]);
  });
});

describe("the state folder without a stack", () => {
  test("stays while another run has a stack's lock, and its passphrase with it", async () => {
    const { context } = bed();
    const { paths } = context;
    mkdirSync(paths.locks, { recursive: true });
    writeFileSync(paths.passphrase, "kept");
    const holder = { pid: process.ppid, startTime: startTime(process.ppid), verb: "up pr-1" };
    writeFileSync(join(paths.locks, "pr-1.lock"), JSON.stringify(holder));
    expect(await removeEmptyState(paths)).toBe(false);
    expect(existsSync(paths.passphrase)).toBe(true);
    expect(existsSync(join(paths.locks, "pr-1.lock"))).toBe(true);
  });

  test("goes when the lock's holder is dead", async () => {
    const { paths } = bed().context;
    mkdirSync(paths.locks, { recursive: true });
    writeFileSync(join(paths.locks, "pr-1.lock"), JSON.stringify({ pid: deadPid(), verb: "up pr-1" }));
    expect(await removeEmptyState(paths)).toBe(true);
    expect(existsSync(paths.state)).toBe(false);
  });

  test("is looked at under state.lock: a stack that is just being made is seen", async () => {
    const made = bed();
    const { paths } = made.context;
    let removal: Promise<boolean> = Promise.resolve(true);
    await withLock(join(paths.state, "state.lock"), "prepare", 0, async () => {
      writeFileSync(paths.passphrase, "kept");
      removal = removeEmptyState(paths);
      await sleep(150);
      mkdirSync(paths.config, { recursive: true });
      writeFileSync(join(paths.config, "Pulumi.pr-1.yaml"), "config: {}\n");
      expect(existsSync(join(paths.state, "state.lock"))).toBe(true);
    });
    expect(await removal).toBe(false);
    expect(existsSync(paths.passphrase)).toBe(true);
  });
});

describe("what is left over", () => {
  test("Podman that does not answer is not the same as nothing", async () => {
    const made = bed({ env: { FAKE_PODMAN_ERROR: "database is locked" } });
    const error = await failure(destroy(made.context, ci, once));
    expect(error.exitCode).toBe(1);
    expect(error.message).toContain("could not find out what is left of cluster ci");
    expect(error.message).toContain("database is locked");
    expect(made.printed).toEqual([]);
  });

  test("a machine without Podman has nothing", async () => {
    const made = bed({ env: { PATH: "/nonexistent" } });
    await destroy(made.context, ci, once);
    expect(made.printed[0]).toContain("nothing to do");
  });

  test("asks neither Podman nor nft where no node of the stack stands here", async () => {
    const made = bed({ env: { FAKE_PODMAN_ERROR: "no podman here" } });
    await destroy(made.context, { name: "lightsail", topology: "lightsail" }, once);
    expect(made.calls().filter((line) => line.startsWith("podman"))).toEqual([]);
    expect(made.printed.join("")).toContain("stack lightsail does not exist; nothing to do");
  });

  test("finds containers without a pod, and leaves those of pods to their pods", async () => {
    const made = bed({
      env: { FAKE_CONTAINERS: "0af3 homespan-ci-agent-1-k3s\\n homespan-ci-headscale\\n" },
    });
    await destroy(made.context, ci, once);
    expect(made.calls().filter((call) => call.includes("|rm "))).toEqual([
      "podman|rm --force --time=2 homespan-ci-headscale",
    ]);
  });
});

describe("a port that is taken", () => {
  const pods = (name: string, State: string): object[] => [
    {
      PodName: name,
      State,
      Ports: [{ host_ip: "127.0.0.1", host_port: 6443, container_port: 6443, range: 1 }],
    },
    { PodName: "", State: "running", Ports: null },
  ];

  test.each([
    ["a pod that a killed run left is its own", pods("homespan-ci-server-1", "running"), true],
    ["a pod that does not run has no port", pods("homespan-ci-server-1", "created"), false],
    ["another cluster's pod is not its own", pods("homespan-other-server-1", "running"), false],
  ])("%s", async (_, containers, fine) => {
    const made = bed({ facts: { takenPorts: [6443] } });
    Object.assign(made.environment, {
      FAKE_NODES: "server-1 homespan-ci-server-1\n",
      FAKE_CONTAINERS_JSON: made.file("containers.json", containers),
    });
    const checks = await examineMachine(made.context, "ci", { config: {} });
    expect(checks.find(({ name }) => name === "apiPort")?.result).toBe(fine ? "ok" : "problem");
  });

  test("asks Podman only then", async () => {
    const made = bed();
    await examineMachine(made.context, "ci", { config: {} });
    expect(made.calls()).toEqual([]);
  });
});

function deadPid(): number {
  return Number(execFileSync("sh", ["-c", "echo $$"], { encoding: "utf8" }));
}
