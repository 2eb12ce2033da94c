/** ExistingMachine: first contact with a key of the user's, looking before changing, and leaving. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fingerprint } from "../../provider/logic/ssh-host-key.ts";
import type { Properties } from "../../provider/server/values.ts";
import { CallError, Harness, isSecret, plain, secret } from "./harness.ts";
import { SshMachine, hostKeyPair, newPrivateKey, privateKey as ownersKey } from "./ssh-machine.ts";

const [first, second] = [hostKeyPair(), hostKeyPair()];
const clusterKey = newPrivateKey();
const publicKey = "ssh-rsa AAAA homespan-prod";
const machineId = "34e37c21e9a2c7bc00000000000000aa";
const goodFacts = {
  ...{
    PROBE: "1",
    ROOT: "yes",
    SYSTEMD: "yes",
    OS: "Debian",
    APT: "yes",
    ARCHITECTURE: "x86_64",
    KERNEL: "6",
  },
  ...{ MACHINE_ID: "machine-1", MEMORY_MIB: "2000", SWAP_MIB: "0", DISK_MIB: "9000", SYNCHRONISED: "yes" },
  ...{ CGROUP: "v2", TUN: "yes", SSH_PORTS: "22", DATA: "absent", INSTALLED: "no" },
};

let h: Harness;
let machine: SshMachine;
let folder: string;
/** What the machine's scripts were, with their arguments. */
let ran: string[];
let facts: Record<string, string>;
/** `ID=...` lines of its mark. */
let mark: string | undefined;
let setupCode: number;

beforeEach(async () => {
  h = new Harness();
  machine = new SshMachine();
  folder = mkdtempSync(join(tmpdir(), "existing-"));
  writeFileSync(join(folder, "key"), ownersKey, { mode: 0o600 });
  h.environment["HOMESPAN_SSH_KEY"] = join(folder, "key");
  ran = [];
  facts = { ...goodFacts };
  mark = undefined;
  setupCode = 0;
  machine.trouble = answer;
  await Promise.all([h.start(), machine.start(first)]);
});
afterEach(async () => {
  h.stop();
  await machine.stop();
  rmSync(folder, { recursive: true });
});

/** The scripts come on standard input; which one it is follows from the arguments and the order they are called in. */
function answer(argv: readonly string[]): { code?: number; stdout?: string; stderr?: string } | undefined {
  if (argv.includes("cat")) {
    if (mark !== undefined) return { stdout: `${machineId}\n${mark}` };
    const stderr = "cat: /data/homespan.id: No such file or directory\n";
    return { code: 1, stdout: `${machineId}\n`, stderr };
  }
  if (argv.join(" ") !== "/bin/sh -s" && argv[2] !== "--") return undefined;
  if (argv[2] === "--") {
    ran.push(`arrive ${argv.slice(3).join(" ")}`);
    machine.keys.push(clusterKey);
    mark = `CLUSTER=prod\nNODE=pi\nID=${argv[6] ?? ""}\n`;
    facts = { ...facts, DATA: "ours", OWNER_CLUSTER: "prod", OWNER_NODE: "pi", OWNER_ID: argv[6] ?? "" };
    return {};
  }
  const before = ran.at(-1) ?? "";
  if (before.startsWith("arrive")) {
    ran.push("setup");
    return { code: setupCode, stderr: setupCode === 0 ? "" : "E: Unable to locate package nftables" };
  }
  if (leaving) {
    ran.push("leave");
    mark = undefined;
    return {};
  }
  ran.push("probe");
  const clock = { CLOCK: String(Math.round(h.clock.now() / 1000)) };
  const lines = Object.entries({ ...clock, ...facts }).map(([key, value]) => `${key}=${value}\n`);
  return { stdout: lines.join("") };
}
let leaving = false;
beforeEach(() => {
  leaving = false;
});

const inputs = (more: Properties = {}): Properties => ({
  clusterName: "prod",
  nodeName: "pi",
  address: "127.0.0.1",
  port: machine.transport().port,
  user: "admin",
  publicKey,
  privateKey: secret(clusterKey),
  setup: "#!/bin/sh\n",
  ...more,
});
const create = async (more?: Properties): Promise<Properties> =>
  (await h.create("ExistingMachine", inputs(more))).state;
const refusal = async (work: Promise<unknown>): Promise<CallError> => {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CallError);
  return error as CallError;
};

describe("the first contact", () => {
  it("looks, marks and sets up, with the owner's key at first and the cluster's from then on", async () => {
    const { id, state } = await h.create("ExistingMachine", inputs());
    expect(id).toBe("prod/pi");
    const identity = String(plain(state)["identity"]);
    expect(ran).toEqual(["probe", `arrive prod pi machine-1 ${identity} admin ${publicKey}`, "setup"]);
    expect(identity).toMatch(/^[0-9a-f]{16}$/);
    expect(plain(state)).toMatchObject({
      knownHostKey: first.text,
      machineId: "machine-1",
      sshPorts: [22],
      reachable: true,
    });
    expect(isSecret(state["privateKey"])).toBe(true);
    expect(machine.lines.join("\n")).not.toContain("PRIVATE");
    expect(JSON.stringify(state)).not.toContain(ownersKey.split("\n")[1]);
    machine.keys = [clusterKey];
    expect(await h.diff("ExistingMachine", (await h.read("ExistingMachine", state)) ?? {}, inputs())).toEqual(
      {},
    );
  });

  it("needs no key of the owner's where the cluster's is let in already", async () => {
    machine.keys = [clusterKey];
    delete h.environment["HOMESPAN_SSH_KEY"];
    await create();
    expect(ran).toContain("setup");
  });

  it("by nobody whom the machine knows ends with both ways in", async () => {
    machine.keys = [];
    const { message } = await refusal(create());
    expect(message).toContain("takes neither. Name yours in HOMESPAN_SSH_KEY");
    expect(message).toContain(`~/.ssh/authorized_keys of admin there:\n${publicKey}`);
    expect(ran).toEqual([]);
  });

  it("with a key file that is none says which variable names it", async () => {
    writeFileSync(join(folder, "key"), "nonsense");
    const { message } = await refusal(create());
    expect(message).toMatch(/`HOMESPAN_SSH_KEY` must name a private key without a passphrase, .*key: /);
  });

  it("tells everything that keeps the machine out, and changes nothing on it", async () => {
    facts = { ...goodFacts, TUN: "no", DATA: "used", DATA_HOLDS: "photos" };
    const error = await refusal(create());
    expect(error.message).toMatch(
      /^pi cannot be made of admin@127\.0\.0\.1:\d+ yet; nothing was changed there:\n/,
    );
    expect(
      error.message
        .split("\n")
        .slice(1)
        .map((line) => line.slice(0, 10)),
    ).toEqual(["  - kernel", "  - data: "]);
    expect(error.kept).toBeUndefined();
    expect(ran).toEqual(["probe"]);
  });

  it("without the right to become root says how to give it", async () => {
    machine.trouble = () => ({ code: 1, stderr: "sudo: a password is required\n" });
    const { message } = await refusal(create());
    expect(message).toContain("admin must be root, or become root without a password");
    expect(message).toContain("echo 'admin ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/homespan");
  });

  it("with a machine that shows another key than the given one is refused before anything is said to it", async () => {
    const { message } = await refusal(create({ hostKey: second.text }));
    expect(message).toContain(`must show the key in \`existing.hostKey\`, got ${fingerprint(first.text)}`);
    expect(machine.lines).toEqual([]);
  });

  it("waits for a machine that does not answer yet, as long as it may", async () => {
    await machine.stop();
    const { message } = await refusal(create({ waitSeconds: 5 }));
    expect(message).toMatch(
      /^pi did not answer by SSH within 5 s: admin@127\.0\.0\.1:\d+: connection refused$/,
    );
  });

  it("whose setup fails leaves a state, and goes on with the same identity", async () => {
    setupCode = 100;
    const error = await refusal(create());
    expect(error.message).toContain("setting up 127.0.0.1 failed: E: Unable to locate package nftables");
    const kept = error.kept ?? {};
    setupCode = 0;
    const found = (await h.read("ExistingMachine", kept)) ?? {};
    expect(Object.keys(await h.diff("ExistingMachine", found, inputs()))).toContain("setup");
    const state = await h.update("ExistingMachine", found, inputs());
    expect(plain(state)["identity"]).toBe(plain(kept)["identity"]);
    expect(ran.filter((it) => it === "setup")).toHaveLength(2);
  });

  it("of a machine that bears this node's data keeps its identity", async () => {
    facts = { ...goodFacts, DATA: "ours", OWNER_CLUSTER: "prod", OWNER_NODE: "pi", OWNER_ID: "f00d" };
    expect(plain(await create())["identity"]).toBe("f00d");
  });
});

describe("later", () => {
  it("a machine that lost its data is gone, and one that is off is not", async () => {
    const state = await create();
    await machine.stop();
    const off = await h.read("ExistingMachine", state);
    expect(plain(off ?? {})).toMatchObject({ reachable: false, identity: plain(state)["identity"] });
    expect(await h.diff("ExistingMachine", off ?? {}, inputs())).toEqual({ reachable: "update" });
    await machine.start(first);
    mark = undefined;
    expect(await h.read("ExistingMachine", state)).toBeUndefined();
  });

  it.each([
    ["wants a password", "sudo: a password is required\n"],
    ["is too slow", "\nno answer within 60 s"],
    ["cannot read its disk", "cat: /data/homespan.id: Input/output error\n"],
    ["has lost its sudo", "sh: sudo: No such file or directory\n"],
  ])("a machine that %s when it is asked for its mark is not gone", async (_what, stderr) => {
    const state = await create();
    machine.trouble = () => ({ code: 1, stdout: "", stderr });
    const found = (await h.read("ExistingMachine", state)) ?? {};
    expect(plain(found)).toEqual({ ...plain(state), reachable: false });
    expect(await h.diff("ExistingMachine", found, inputs())).toEqual({ reachable: "update" });
    // Removed in the same run, it is not forgotten with everything on it.
    await expect(h.delete("ExistingMachine", found)).rejects.toThrow("taking Homespan off 127.0.0.1 failed");
    machine.trouble = answer;
    const { identity } = plain(state);
    expect(await h.read("ExistingMachine", found)).toMatchObject({ identity, reachable: true });
  });

  it("another address is the same machine when its data is, and an error when not", async () => {
    const state = await create();
    const moved = await h.update("ExistingMachine", state, inputs({ address: "localhost" }));
    expect(plain(moved)).toMatchObject({ address: "localhost", identity: plain(state)["identity"] });
    facts = { ...facts, OWNER_ID: "beef" };
    const { message } = await refusal(h.update("ExistingMachine", state, inputs({ address: "localhost" })));
    expect(message).toContain("is another machine than the node's, or has lost its data");
    expect(message).toContain("./homespan recreate ci --node pi");
  });

  it("one with other host keys is not spoken to; the new key in the configuration makes it known again", async () => {
    const state = await create();
    await machine.restart(second);
    const found = (await h.read("ExistingMachine", state)) ?? {};
    const { message } = await refusal(h.update("ExistingMachine", found, inputs()));
    expect(message).toContain(`must show the host key of its first contact, got ${fingerprint(second.text)}`);
    const known = await h.update("ExistingMachine", found, inputs({ hostKey: second.text }));
    expect(plain(known)).toMatchObject({ knownHostKey: second.text, identity: plain(state)["identity"] });
  });
});

describe("removal", () => {
  it("takes everything off the machine", async () => {
    const state = await create();
    leaving = true;
    ran.push("--");
    await h.delete("ExistingMachine", state);
    expect(ran.slice(-1)).toEqual(["leave"]);
  });

  it("that fails on the machine fails, so that it is tried again", async () => {
    const state = await create();
    machine.trouble = () => ({ code: 1, stderr: "the node's data cannot be removed from /data" });
    const { message } = await refusal(h.delete("ExistingMachine", state));
    expect(message).toContain("taking Homespan off 127.0.0.1 failed: the node's data cannot be removed");
  });

  it.each([
    ["that is off", () => machine.stop()],
    ["that lets the cluster in no more", () => (machine.keys = [ownersKey])],
    ["in whose place another one answers", () => machine.restart(second)],
  ])("of a machine %s succeeds, and touches nothing", async (_what, change) => {
    const state = await create();
    const before = ran.length;
    h.ssh.close();
    await change();
    await h.delete("ExistingMachine", state);
    expect(ran).toHaveLength(before);
  });
});
