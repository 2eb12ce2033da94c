/** MachineBoot, and what other resources do on a machine that is reached by SSH. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bakedFiles, bootFiles } from "../../components/render/machine-files.ts";
import { SEEDS, ownBootFiles } from "../../provider/effects/boot-files.ts";
import type { Finished } from "../../provider/effects/process.ts";
import { fingerprint } from "../../provider/logic/ssh-host-key.ts";
import { UNKNOWN, type Properties } from "../../provider/server/values.ts";
import { CallError, Harness, isSecret, plain, secret } from "./harness.ts";
import { SshMachine, hostKeyPair, privateKey } from "./ssh-machine.ts";
import { readyStages } from "./trouble.ts";

const [first, second] = [hostKeyPair(), hostKeyPair()];
const { revision, files: bootArchive } = await ownBootFiles();
const own = bootArchive.map(({ path, content }) => [path, content] as const);
const files = { "steward/node.conf": "NODE=agent-1\n", "artifacts.conf": "K3S_AMD64_URL=a\n" };

let h: Harness;
let machine: SshMachine;
beforeEach(async () => {
  h = new Harness();
  machine = new SshMachine();
  await Promise.all([h.start(), machine.start(first)]);
});
afterEach(async () => {
  h.stop();
  await machine.stop();
});

const inputs = (more: Properties = {}): Properties => ({
  nodeName: "agent-1",
  machineId: "arn:1",
  identity: "arn:1",
  address: machine.transport().address,
  port: machine.transport().port,
  user: "admin",
  privateKey: secret(privateKey),
  bootRevision: revision,
  files,
  authKey: secret("tskey-auth-1"),
  ...more,
});
const create = async (more?: Properties): Promise<Properties> =>
  (await h.create("MachineBoot", inputs(more))).state;
const read = async (state: Properties): Promise<Properties> => (await h.read("MachineBoot", state)) ?? {};
const refusal = async (work: Promise<unknown>): Promise<CallError> => {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CallError);
  return error as CallError;
};

describe("a machine's first contact", () => {
  it("learns its host key, delivers everything, and leaves no secret where others see it", async () => {
    const { id, state } = await h.create("MachineBoot", inputs());
    expect(id).toBe("agent-1-arn:1");
    expect(plain(state)).toMatchObject({
      hostKey: first.text,
      transport: machine.transport(first.text),
      foundRevision: revision,
      reachable: true,
    });
    expect(["privateKey", "authKey", "transport"].every((name) => isSecret(state[name]))).toBe(true);
    expect([...machine.boot.keys()].sort()).toEqual(
      [...bakedFiles, ...bootFiles].map(({ path }) => path).sort(),
    );
    expect(Object.fromEntries(machine.data)).toEqual({ ...files, "secrets/authkey": "tskey-auth-1" });
    expect(machine.commands.map((command) => command.split(" ").slice(0, 2).join(" "))).toEqual([
      "boot-files checksums",
      "boot-files receive",
      "boot-files start",
      "checksums artifacts.conf",
    ]);
    expect(machine.lines.join("\n")).not.toMatch(/tskey|PRIVATE/);
    machine.data.delete("secrets/authkey");
    expect(await h.diff("MachineBoot", await read(state), inputs())).toEqual({});
  });

  it("lets one that came with its boot files go on, and gives it the node's own alone", async () => {
    for (const [path, content] of own) machine.boot.set(path, content);
    machine.started = 1;
    machine.dataIn = 2;
    const state = await create({ beginsByItself: true });
    expect(machine.commands.map((command) => command.split(" ").slice(0, 2).join(" "))).toEqual([
      "boot-files checksums",
      ...["receive", "receive", "receive"],
    ]);
    expect(Object.fromEntries(machine.data)).toEqual({ ...files, "secrets/authkey": "tskey-auth-1" });
    expect(plain(await read(state))).toMatchObject({ foundRevision: revision });
  });

  it.each([
    ["one that begins when it is told to, whose files outlived what ran them", {}, []],
    ["one whose files came and were not started", { beginsByItself: true }, ["awaits-start"]],
    ["one with seeds of a former delivery", { beginsByItself: true }, ["seed/node.conf"]],
  ])("starts the boot files of %s", async (_what, more, left) => {
    for (const [path, content] of own) machine.boot.set(path, content);
    for (const path of left) machine.boot.set(path, "former");
    await create(more);
    expect([machine.started, machine.boot.has("awaits-start")]).toEqual([1, false]);
    expect(machine.data.get("steward/node.conf")).toBe(files["steward/node.conf"]);
  });

  it("sees boot files that were not started, and starts them", async () => {
    const state = await create();
    machine.boot.set("awaits-start", "");
    const found = await read(state);
    expect(plain(found)).toMatchObject({ foundRevision: "" });
    expect(Object.keys(await h.diff("MachineBoot", found, inputs()))).toEqual(["foundRevision"]);
    await h.update("MachineBoot", found, inputs());
    expect([machine.started, machine.boot.has("awaits-start")]).toEqual([2, false]);
  });

  it("finds its commands where /usr is read-only, from the first contact on", async () => {
    machine.library = "/opt/homespan";
    const state = await create({ library: "/opt/homespan" });
    expect(plain(state)).toMatchObject({
      transport: { ...machine.transport(first.text), library: "/opt/homespan" },
      foundRevision: revision,
    });
    expect(machine.data.has("steward/node.conf")).toBe(true);
    expect(await read(state)).toMatchObject({ reachable: true, foundRevision: revision });
    expect(await h.diff("MachineBoot", state, inputs({ library: "/opt/homespan" }))).toEqual({});
    const { problems } = await h.check("MachineBoot", inputs({ library: "/opt/$(reboot)" }));
    expect(problems.join()).toMatch(/library/);
  });

  it("waits for user-data and for the data directory, as long as it may", async () => {
    machine.userData = [
      { code: 127, stderr: "sh: 1: exec: /usr/lib/homespan/boot-files: not found" },
      { code: 126, stderr: "sh: 1: exec: /usr/lib/homespan/boot-files: Permission denied" },
    ];
    machine.dataIn = 3;
    await create();
    expect(machine.userData).toEqual([]);
    expect(machine.data.get("secrets/authkey")).toBe("tskey-auth-1");
    expect(machine.started).toBe(1);
  });

  it("waits for a machine that is not there yet, then for one that does not take the key yet", async () => {
    await machine.stop();
    machine.accepting = false;
    const sleep = h.clock.sleep.bind(h.clock);
    h.clock.sleep = async (milliseconds, signal) => {
      await sleep(milliseconds, signal);
      if (h.clock.now() > Date.parse("2026-11-21T12:02:00Z")) machine.accepting = true;
      else if (machine.connections === 0) await machine.restart(first);
    };
    await create();
    expect(machine.connections).toBeGreaterThan(2);
  });

  it.each([
    ["connection refused", () => machine.stop()],
    ["the machine does not accept this user with this key", () => (machine.accepting = false)],
    [
      "its user-data has not ended (see /var/log/cloud-init-output.log there): sh: not found",
      () => (machine.trouble = () => ({ code: 127, stderr: "sh: not found\n" })),
    ],
    [
      "sudo: a password is required",
      () => (machine.trouble = () => ({ code: 1, stderr: "sudo: a password is required" })),
    ],
  ])("ends with the last reason, and no state: %s", async (reason, trouble) => {
    await trouble();
    const error = await refusal(create({ waitSeconds: 10 }));
    expect(error.message).toContain("agent-1 was not ready by SSH within 10 s: ");
    expect(error.message).toContain(reason);
    expect(error.kept).toBeUndefined();
  });

  it("that ends halfway keeps what it knows, and goes on from there", async () => {
    machine.dataIn = 1000;
    machine.stageText = JSON.stringify({
      stages: [{ name: "tailnet", state: "running", attempts: 1, error: "there is no disk with the label" }],
    });
    const error = await refusal(create({ waitSeconds: 30 }));
    expect(error.message).toContain(
      "agent-1 was not ready by SSH within 30 s: its data directory has no artifacts.conf, steward/node.conf yet; ",
    );
    expect(error.message).toContain("there is no disk with the label");
    const kept = error.kept ?? {};
    expect(plain(kept)).toMatchObject({ hostKey: first.text, foundRevision: "", checksums: {}, authKey: "" });
    expect(machine.boot.has("seed/authkey")).toBe(true);
    const update = h.update("MachineBoot", kept, inputs());
    machine.changed = ([verb]) => {
      if (verb === "remove") machine.dataIn = 0;
    };
    const state = await update;
    expect(machine.boot.has("seed/authkey")).toBe(false);
    expect(Object.fromEntries(machine.data)).toEqual({ ...files, "secrets/authkey": "tskey-auth-1" });
    expect(machine.started).toBe(2);
    expect(await h.diff("MachineBoot", await read(state), inputs())).toEqual({});
  });

  it("survives a connection that is cut while files are delivered", async () => {
    let cuts = 0;
    machine.trouble = ([program]) =>
      program === "/usr/lib/homespan/boot-files" && (cuts += 1) % 2 === 0 && cuts < 9 ? "drop" : undefined;
    await create();
    expect(cuts).toBeGreaterThan(9);
    expect(machine.data.has("steward/node.conf")).toBe(true);
  });

  it("gives up at once where another one answers after its start", async () => {
    machine.dataIn = 1000;
    machine.changed = ([verb]) => {
      if (verb === "start") setTimeout(() => void machine.restart(second), 0);
    };
    const error = await refusal(create());
    expect(error.message).toContain(`must show the host key ${fingerprint(first.text)} of its first contact`);
  });

  it("gets again what it lost with its power", async () => {
    machine.changed = ([verb]) => {
      if (verb === "start") machine.data.delete("artifacts.conf");
    };
    await create();
    expect(machine.data.get("artifacts.conf")).toBe(files["artifacts.conf"]);
    // An empty delivery would have it begin anew.
    expect(machine.commands.filter((command) => command === "receive")).toHaveLength(1);
  });

  it("has its seeds by the names under which the boot sequence looks for them", async () => {
    const text = await readFile(join(import.meta.dirname, "../../boot/machine/data.sh"), "utf8");
    const pairs = /^DATA_SEEDS='(.*)'$/m.exec(text)?.[1]?.split(" ") ?? [];
    expect(pairs.sort()).toEqual([...SEEDS].map(([path, seed]) => `${basename(seed)}:${path}`).sort());
  });

  it("delivers what cannot come before the data directory when that is there", async () => {
    machine.dataIn = 2;
    const more = { ...files, "etc/other.conf": "a\n" };
    await create({ files: more });
    expect(Object.fromEntries(machine.data)).toEqual({ ...more, "secrets/authkey": "tskey-auth-1" });
    expect([...machine.boot.keys()].some((path) => path.startsWith("seed/"))).toBe(false);
  });

  it("needs the provider's own boot files to be those the program meant", async () => {
    const error = await refusal(create({ bootRevision: "0".repeat(64) }));
    expect(error.message).toContain(
      "`bootRevision` of agent-1 must be that of the provider's own boot files",
    );
    expect(machine.boot.size).toBe(bakedFiles.length);
  });
});

describe("a machine that is known", () => {
  let state: Properties;
  beforeEach(async () => {
    state = await create();
    machine.data.delete("secrets/authkey");
    machine.commands.length = 0;
  });

  it("gets back a boot file and a file of its own that somebody changed", async () => {
    machine.boot.set("boot/sequence.sh", "exit 1\n");
    machine.data.delete("artifacts.conf");
    const found = await read(state);
    expect(await h.diff("MachineBoot", found, inputs())).toEqual({
      foundRevision: "update",
      'checksums["artifacts.conf"]': "update",
    });
    machine.commands.length = 0;
    const healed = await h.update("MachineBoot", found, inputs());
    expect(machine.boot.get("boot/sequence.sh")).toContain("boot_run");
    expect(machine.data.get("artifacts.conf")).toBe(files["artifacts.conf"]);
    expect(machine.data.has("secrets/authkey")).toBe(false);
    expect(await h.diff("MachineBoot", await read(healed), inputs())).toEqual({});
  });

  it("gets changed files alone, without a second start of what is in place", async () => {
    const news = inputs({ files: { "steward/node.conf": "NODE=agent-1\nNEW=1\n" } });
    expect(await h.diff("MachineBoot", state, news)).toEqual({
      'files["artifacts.conf"]': "delete",
      'files["steward/node.conf"]': "update",
    });
    await h.update("MachineBoot", state, news);
    expect(Object.fromEntries(machine.data)).toEqual({ "steward/node.conf": "NODE=agent-1\nNEW=1\n" });
    expect(machine.started).toBe(1);
    expect(await h.diff("MachineBoot", state, inputs({ waitSeconds: 5 }))).toEqual({});
  });

  it("is not gone when it cannot be reached, and is put right when it is back", async () => {
    await machine.stop();
    const found = await read(state);
    expect(found["reachable"]).toBe(false);
    expect(await h.diff("MachineBoot", found, inputs())).toEqual({ reachable: "update" });
    await machine.start(first);
    expect(await h.update("MachineBoot", found, inputs())).toMatchObject({ reachable: true });
  });

  it("with another host key is told nothing", async () => {
    await machine.restart(second);
    machine.lines.length = 0;
    const found = await read(state);
    expect(found).toMatchObject({ reachable: false, hostKey: first.text });
    const { message } = await refusal(h.update("MachineBoot", found, inputs()));
    expect(message).toContain(`must show the host key ${fingerprint(first.text)} of its first contact`);
    expect(message).toContain(`got ${fingerprint(second.text)}. Another machine answers there`);
    expect(machine.lines).toEqual([]);
    // Trusted anew, as the message says.
    await h.delete("MachineBoot", found);
    expect(await create()).toMatchObject({ hostKey: second.text });
  });

  it("logs in again with a new key, after tailscaled was made to ask", async () => {
    machine.tailscaled = true;
    machine.changed = ([verb]) => {
      if (verb === "receive" && !machine.tailscaled) h.clock.sleep = used;
    };
    const sleep = h.clock.sleep.bind(h.clock);
    const used: typeof sleep = (milliseconds, signal) => {
      machine.data.delete("secrets/authkey");
      return sleep(milliseconds, signal);
    };
    const news = inputs({ authKey: secret("tskey-auth-2") });
    expect(await h.diff("MachineBoot", state, news)).toEqual({ authKey: "update" });
    await h.update("MachineBoot", state, news);
    expect(machine.commands.map((command) => command.split(" ")[0])).toEqual([
      ...["boot-files", "checksums", "systemctl", "flock", "receive", "checksums", "checksums"],
    ]);
    expect(machine.lines.join("\n")).not.toContain("tskey");
  });

  it("delivers no new key where nobody says whether tailscaled runs, and does where there is none", async () => {
    machine.tailscaled = true;
    let answer: Partial<Finished> = { code: 1, stderr: "Failed to query systemd" };
    machine.trouble = ([program, verb]) =>
      program === "systemctl" && verb === "is-active" ? answer : undefined;
    const news = inputs({ authKey: secret("tskey-auth-2") });
    machine.data.delete("secrets/authkey");
    expect((await refusal(h.update("MachineBoot", state, news))).message).toBe(
      "asking whether tailscaled runs on 127.0.0.1 failed: Failed to query systemd",
    );
    expect(machine.data.has("secrets/authkey")).toBe(false);
    for (const code of [3, 4]) {
      answer = { code };
      machine.data.delete("secrets/authkey");
      await h.update("MachineBoot", state, news);
      expect(machine.data.get("secrets/authkey"), String(code)).toBe("tskey-auth-2");
    }
    expect(machine.tailscaled).toBe(true);
  });

  it("says so when its new key is not taken", async () => {
    machine.tailscaled = true;
    machine.stageText =
      '{"stages":[{"name":"tailnet","state":"failed","attempts":2,"error":"tailscale up: invalid key"}]}';
    const work = h.update("MachineBoot", state, inputs({ authKey: secret("tskey-auth-2") }));
    expect((await refusal(work)).message).toBe(
      "agent-1 did not log in with its new key within 120 s: stage `tailnet` is failed, 2 attempts: tailscale up: invalid key",
    );
  });

  it("is another node with another identity, and the same one on another machine with its data", async () => {
    expect(await h.diff("MachineBoot", state, inputs({ identity: UNKNOWN, machineId: UNKNOWN }))).toEqual({
      identity: "replace",
      machineId: "update",
    });
    const news = inputs({ machineId: "arn:2" });
    expect(await h.diff("MachineBoot", state, news)).toEqual({ machineId: "update" });
    await machine.restart(second);
    machine.boot.clear();
    const moved = await h.update("MachineBoot", state, news);
    expect(moved).toMatchObject({ hostKey: second.text, machineId: "arn:2" });
    expect(machine.boot.size).toBe(bootFiles.length);
    machine.data.delete("secrets/authkey");
    expect(await h.diff("MachineBoot", await read(moved), news)).toEqual({});
    machine.lines.length = 0;
    await h.delete("MachineBoot", moved);
    expect(machine.lines).toEqual([]);
  });
});

describe("servers", () => {
  const names = ["server-1", "server-2", "server-3"];
  let machines: Map<string, SshMachine>;
  /** Machine -> when it is Ready again. */
  let down: Map<SshMachine, number>;
  let most: number;

  beforeEach(async () => {
    machines = new Map(names.map((name) => [name, new SshMachine()]));
    [down, most] = [new Map<SshMachine, number>(), 0];
    await Promise.all([...machines.values()].map((server) => server.start(first)));
    const fqdn = (name: string): string => `ci-${name}.tail.ts.net`;
    for (const [name, server] of machines) {
      const others = names.filter((other) => other !== name).map(fqdn);
      server.data.set("join.conf", `ROLE=server\nMODE=join\nSERVERS=${others.join(" ")}\n`);
      server.trouble = (argv) => {
        const until = down.get(server);
        if (until !== undefined && h.clock.now() >= until) {
          down.delete(server);
          server.stageText = readyStages(new Date(until).toISOString());
        }
        const asked = names.find((other) => argv.includes(`--server=https://${fqdn(other)}:6443`));
        if (asked === undefined) return undefined;
        return down.has(machines.get(asked)!) ? { code: 1 } : { stdout: "ok" };
      };
    }
  });
  afterEach(async () => {
    await Promise.all([...machines.values()].map((server) => server.stop()));
  });

  it("start k3s again one after the other, with no steward to ask", async () => {
    const of = (nodeName: string, more: Properties = {}): Properties => {
      const { port } = machines.get(nodeName)!.transport();
      return inputs({ nodeName, machineId: nodeName, identity: nodeName, port, ...more });
    };
    const states = await Promise.all(
      names.map(async (name) => (await h.create("MachineBoot", of(name))).state),
    );
    for (const server of machines.values()) {
      server.stageText = readyStages();
      server.changed = () => {
        if (down.has(server)) return;
        down.set(server, h.clock.now() + 20_000);
        server.stageText = '{"stages":[{"name":"k3s","state":"running","attempts":1}]}';
        most = Math.max(most, down.size);
      };
    }
    const upgraded = { ...files, "artifacts.conf": "K3S_AMD64_URL=b\n" };
    await Promise.all(
      names.map((name, index) => h.update("MachineBoot", states[index] ?? {}, of(name, { files: upgraded }))),
    );
    expect(most).toBe(1);
    expect([...machines.values()].map(({ data }) => data.get("artifacts.conf"))).toEqual(
      names.map(() => upgraded["artifacts.conf"]),
    );
  });
});

describe("other resources", () => {
  it("find the cluster of a machine whose host key nobody knows yet", async () => {
    const serverTransports = [machine.transport()];
    const { state } = await h.create("ClusterIdentity", {
      clusterName: "ci",
      serverTransports: secret(serverTransports),
    });
    expect(await h.read("ClusterIdentity", state)).toMatchObject({ initialised: false });
    machine.stageText = readyStages();
    expect(await h.read("ClusterIdentity", state)).toMatchObject({ initialised: true });
  });

  it("do not wait long for machines that are not there", async () => {
    const silent = createServer((socket) => socket.on("error", () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const run = h.ssh.run.bind(h.ssh);
    const asked: (number | undefined)[] = [];
    h.ssh.run = (transport, argv, options) => {
      asked.push(options?.connectSeconds);
      return run(transport, argv, { ...options, loginSeconds: 0.1 });
    };
    const serverTransports = [{ ...machine.transport(), port }];
    const { state } = await h.create("ClusterIdentity", { clusterName: "ci", serverTransports });
    expect(await h.read("ClusterIdentity", state)).toMatchObject({ initialised: false });
    expect(await h.read("ClusterIdentity", state)).toMatchObject({ initialised: false });
    // The second time nobody asked: it was silent a moment ago.
    expect(asked).toEqual([5]);
    silent.close();
  });

  it("write a node's join files by SSH as they do through a steward", async () => {
    const transport = plain(await create())["transport"];
    const config = {
      nodeName: "agent-1",
      transport: secret(transport),
      identity: "arn:1",
      files: { "etc/rancher/k3s/config.yaml": "node-name: agent-1\n" },
      secretFiles: secret({ "secrets/agent-token": "K10::very-secret" }),
      joinFile: { path: "join.conf", fresh: "MODE=init\n", initialised: "MODE=join\n" },
      initialised: false,
    };
    const { state } = await h.create("NodeConfig", config);
    expect(isSecret(state["transport"])).toBe(true);
    expect(machine.data.get("secrets/agent-token")).toBe("K10::very-secret");
    machine.data.set("join.conf", "changed");
    const found = (await h.read("NodeConfig", state)) ?? {};
    expect(await h.diff("NodeConfig", found, config)).toEqual({ 'checksums["join.conf"]': "update" });
    await h.update("NodeConfig", found, config);
    expect(machine.data.get("join.conf")).toBe("MODE=init\n");
    await h.delete("NodeConfig", state);
    expect(machine.data.has("join.conf")).toBe(false);
    expect(machine.lines.join("\n")).not.toContain("very-secret");
  });
});
