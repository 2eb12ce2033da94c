/** Doctor's look at machines that exist already, and the one that `up` takes at new ones. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { InputError } from "../../cli/errors.ts";
import { examineExisting, requireJoinable } from "../../cli/doctor/existing.ts";
import { type Bed, makeBed, urn } from "./bed.ts";

const good = {
  ...{
    PROBE: "1",
    ROOT: "yes",
    SYSTEMD: "yes",
    OS: "Debian",
    APT: "yes",
    ARCHITECTURE: "aarch64",
    KERNEL: "6",
  },
  ...{ MACHINE_ID: "machine-1", MEMORY_MIB: "2000", SWAP_MIB: "0", DISK_MIB: "9000", SYNCHRONISED: "yes" },
  ...{ CGROUP: "v2", TUN: "yes", SSH_PORTS: "22", DATA: "absent", INSTALLED: "no" },
};
const agents = [
  { bundleId: "medium_3_0" },
  {
    name: "pi",
    existing: { address: "192.168.1.20", user: "pi", site: "home", hostKey: "ssh-ed25519 AAAA" },
  },
  { existing: { address: "box.example.com", port: 2222, site: "home" } },
  { existing: { address: "-oProxyCommand=x", site: "home" } },
  { existing: 7 },
];
const config = { config: { "homespan:agents": agents, "homespan:clusterName": "prod" } };

const beds: Bed[] = [];
afterEach(() => {
  for (const made of beds.splice(0)) made.remove();
});

function bed(env: Readonly<Record<string, string>> = {}, facts: Readonly<Record<string, string>> = {}): Bed {
  const made = makeBed({ env });
  beds.push(made);
  const probes = join(made.folder, "probes");
  mkdirSync(probes);
  const text = Object.entries({ ...good, CLOCK: String(Math.round(Date.now() / 1000)), ...facts });
  for (const target of ["pi@192.168.1.20", "root@box.example.com"]) {
    writeFileSync(join(probes, target), text.map(([key, value]) => `${key}=${value}\n`).join(""));
  }
  made.environment["FAKE_PROBES"] = probes;
  return made;
}

function stateOf(made: Bed, stack: string, resources: readonly object[]): void {
  const folder = join(made.context.paths.backend, ".pulumi/stacks/homespan");
  mkdirSync(folder, { recursive: true });
  const checkpoint = { version: 3, checkpoint: { latest: { resources } } };
  writeFileSync(join(folder, `${stack}.json`), JSON.stringify(checkpoint));
}

/** A state in which these nodes are made of machines that existed. */
function joined(made: Bed, ...nodes: readonly string[]): void {
  const type = "homespan:index:ExistingMachine";
  const resources = nodes.map((nodeName) => ({
    urn: urn(type, `${nodeName}-machine`),
    type,
    inputs: { nodeName },
    outputs: { knownHostKey: "ssh-ed25519 KNOWN" },
  }));
  stateOf(made, "lightsail", resources);
}

const sshLines = (made: Bed): string[] => made.calls().filter((line) => line.startsWith("ssh|"));

test("every machine that is named well is looked at, with what is wrong and the fix", async () => {
  const made = bed({}, { TUN: "no" });
  const checks = await examineExisting(made.context, "lightsail", config, "all");
  expect(checks.filter(({ result }) => result === "problem")).toMatchObject([
    { name: "pi kernel", message: expect.stringContaining("tun") as string },
    { name: "agent-3 kernel", fix: expect.stringContaining("linux-modules-extra-raspi") as string },
  ]);
  const lines = made.calls().filter((line) => line.startsWith("ssh|"));
  expect(lines).toHaveLength(2);
  expect(lines.join("\n")).not.toContain("ProxyCommand");
  const [pi = "", box = ""] = lines.sort(
    (one, other) => Number(one.includes("box")) - Number(other.includes("box")),
  );
  expect(pi).toMatch(
    /-F none -p 22 .*BatchMode=yes.*StrictHostKeyChecking=yes.* pi@192\.168\.1\.20 sudo -n \/bin\/sh -s$/,
  );
  expect(box).toMatch(/-p 2222 .*StrictHostKeyChecking=no.* root@box\.example\.com \/bin\/sh -s$/);
  expect(made.calls()).toContain("known|192.168.1.20 ssh-ed25519 AAAA;");
});

test("the key that the environment names is used", async () => {
  const made = bed();
  const key = made.file("own-key", "PRIVATE");
  made.environment["HOMESPAN_SSH_KEY"] = key;
  await examineExisting(made.context, "lightsail", config, "all");
  expect(
    made
      .calls()
      .filter((line) => line.startsWith("ssh|"))
      .every((line) => line.includes(`-i ${key}`)),
  ).toBe(true);
});

test("up looks at those alone that no run has joined yet, and makes nothing while one cannot join", async () => {
  const made = bed({}, { DATA: "used", DATA_HOLDS: "photos" });
  joined(made, "pi");
  const checks = await examineExisting(made.context, "lightsail", config, "new");
  expect(new Set(checks.map(({ name }) => name.split(" ")[0]))).toEqual(new Set(["agent-3"]));
  expect(() => {
    requireJoinable(checks);
  }).toThrow(InputError);
  expect(() => {
    requireJoinable(checks);
  }).toThrow(
    /these machines cannot join yet; nothing was created:\nPROBLEM +agent-3 data +\/data must be free .* photos\n +fix: /,
  );
});

test("one that joined must show the key of its first contact", async () => {
  const made = bed({}, { DATA: "ours", OWNER_CLUSTER: "prod", OWNER_NODE: "agent-3" });
  joined(made, "agent-3");
  const checks = await examineExisting(made.context, "lightsail", config, "all");
  expect(made.calls()).toContain("known|[box.example.com]:2222 ssh-ed25519 KNOWN;");
  expect(checks.find(({ name }) => name === "agent-3 data")?.result).toBe("ok");
  expect(checks.find(({ name }) => name === "pi data")?.result).toBe("problem");
});

test.each([
  ["pi@192.168.1.20: Permission denied (publickey).", /does not take a key of yours/, /HOMESPAN_SSH_KEY/],
  ["sudo: a password is required", /cannot become root without a password/, /sudoers\.d\/homespan/],
  ["Host key verification failed.", /shows another host key/, /recreate lightsail --node pi/],
  [
    "ssh: connect to host 192.168.1.20 port 22: No route to host",
    /does not answer: .*No route to host/,
    /is it on/,
  ],
])("a machine that cannot be asked: %s", async (said, message, fix) => {
  const made = bed({ FAKE_SSH_ERROR: said });
  const [check] = await examineExisting(made.context, "lightsail", config, "all");
  expect(check).toMatchObject({ name: "pi ssh", result: "problem" });
  expect(check?.message).toMatch(message);
  expect(check?.fix).toMatch(fix);
});

test("keys that the provider would not try open nothing: without one of theirs, none is taken from ~/.ssh", async () => {
  const made = bed();
  await examineExisting(made.context, "lightsail", config, "all");
  expect(sshLines(made).every((line) => line.includes("-o IdentityFile=none"))).toBe(true);
});

test("where the cluster has a key, a new machine may have let it in by hand, by the line that is told", async () => {
  const made = bed({ FAKE_SSH_ERROR: "admin@pi: Permission denied (publickey)." });
  const type = "homespan:index:SshKey";
  const publicKey = "ssh-ed25519 AAAAC3 homespan-prod";
  const host = "homespan:existing:ExistingHost";
  const resources = [
    { urn: urn(type, "ssh-key"), type, outputs: { publicKey } },
    { urn: urn(host, "pi"), type: host },
  ];
  stateOf(made, "lightsail", resources);
  mkdirSync(made.context.paths.config, { recursive: true });
  // Of an `up` that did not end: there are no outputs.
  const revealed = resources.map((it) =>
    it.type === type ? { ...it, outputs: { publicKey, privateKey: "CLUSTER KEY" } } : it,
  );
  made.environment["FAKE_EXPORT"] = made.file("export.json", { deployment: { resources: revealed } });
  const [check] = await examineExisting(made.context, "lightsail", config, "new");
  expect(check?.fix).toMatch(
    /\(ssh-add\); or put this line into ~\/\.ssh\/authorized_keys of pi there: ssh-ed25519 AAAAC3 homespan-prod$/,
  );
  expect(made.calls()).toContain("key|600|CLUSTER KEY");
  expect(sshLines(made).join()).not.toContain("IdentityFile=none");
});

test("of a stack that joins, a machine belongs to the other's cluster", async () => {
  const made = bed({}, { DATA: "ours", OWNER_CLUSTER: "prod", OWNER_NODE: "pi" });
  const stack = "pulumi:pulumi:Stack";
  stateOf(made, "lightsail", [
    { urn: urn(stack, "homespan-lightsail"), type: stack, outputs: { clusterName: "prod" } },
  ]);
  const home = { config: { "homespan:join": "lightsail", "homespan:agents": agents.slice(1, 2) } };
  const checks = await examineExisting(made.context, "homelab", home, "all");
  expect(checks.filter(({ result }) => result === "problem")).toEqual([]);
});

test("a stack without such machines asks nobody", async () => {
  const made = bed();
  expect(await examineExisting(made.context, "ci", { config: { "homespan:agents": "3" } }, "all")).toEqual(
    [],
  );
  requireJoinable([]);
  expect(made.calls()).toEqual([]);
});
