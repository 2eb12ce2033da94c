/** What `doctor`, `status` and a failed `up` say of machines that SSH reaches: from the stack's state, whatever became of it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fixFor } from "../../cli/fixes.ts";
import { machineNodesIn } from "../../cli/machine-nodes.ts";
import { prepareStack } from "../../cli/state.ts";
import { doctor } from "../../cli/verbs/doctor.ts";
import { ssh } from "../../cli/verbs/ssh.ts";
import { status } from "../../cli/verbs/status.ts";
import { up } from "../../cli/verbs/up.ts";
import type { Bed, BedOptions } from "./bed.ts";
import { diagnostic, events, outputs, step, urn } from "./bed.ts";
import { bed, failure } from "./verb-support.ts";

const lightsail = { name: "lightsail", topology: "lightsail" };
const server = "homespan:lightsail:LightsailServer";
const instance = "aws:lightsail/instance:Instance";
const secret = (value: string) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(value),
});
const component = (name: string) => ({ urn: urn(server, name), type: server });
const part = (node: string, type: string, name: string, outputs: object = {}) => ({
  urn: urn(`${server}$${type}`, `${node}-${name}`),
  ...{ type, parent: urn(server, node), outputs: { ...outputs } },
});
const made = (node: string, address: string) => [
  component(node),
  part(node, "aws:lightsail/staticIp:StaticIp", "address", { ipAddress: address }),
  part(node, instance, "instance", { createdAt: "2026-01-01T00:00:00Z", username: "admin" }),
  part(node, "aws:lightsail/staticIpAttachment:StaticIpAttachment", "address-attachment"),
  part(node, "aws:lightsail/instancePublicPorts:InstancePublicPorts", "ports"),
];
const boot = (node: string, address: string) => ({
  ...part(node, "homespan:index:MachineBoot", "boot", { hostKey: "ssh-ed25519 AAAA" }),
  inputs: { nodeName: node, address, port: 22, user: "admin", privateKey: secret("KEY OF BOOT\n") },
});
const key = {
  urn: urn("homespan:index:SshKey", "ssh-key"),
  type: "homespan:index:SshKey",
  outputs: { privateKey: secret("-----BEGIN KEY-----\n") },
};
/** One that waits for k3s, one nobody has talked to, one without ports, one that was not made. */
const halfway = [
  key,
  ...made("server-1", "198.18.1.8"),
  boot("server-1", "198.18.1.8"),
  ...made("server-2", "198.18.1.9"),
  ...made("server-3", "198.18.1.10").slice(0, 3),
  component("agent-1"),
];

async function unfinished(options: BedOptions = {}): Promise<Bed> {
  const there = bed(options);
  await prepareStack(there.context, lightsail, []);
  const file = join(there.context.paths.backend, ".pulumi/stacks/homespan/lightsail.json");
  writeFileSync(file, JSON.stringify({ checkpoint: { latest: { resources: halfway } } }));
  const stage = {
    name: "k3s",
    state: "running",
    startedAt: "2026-01-01T00:00:00Z",
    attempts: 2,
    error: "no etcd",
  };
  Object.assign(there.environment, {
    FAKE_EXPORT: there.file("export.json", { version: 3, deployment: { resources: halfway } }),
    FAKE_STAGES: there.file("stages.json", { node: "server-1", stages: [stage] }),
    FAKE_SSH_FAILING: "198.18.1.9",
    TAILSCALE_API_KEY: "tskey",
    AWS_PROFILE: "home",
  });
  return there;
}

const throttled = "CreateInstance Lightsail Instance (lightsail-agent-1): ThrottlingException: slow down";

function lastLog(there: Bed): void {
  const folder = join(there.context.paths.logs, "lightsail");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "2026-01-01T00-00-00-000Z-up.jsonl"), "{}\n");
  const about = urn(instance, "agent-1-instance");
  writeFileSync(
    join(folder, "2026-01-02T00-00-00-000Z-up.jsonl"),
    events(diagnostic(throttled, "error", about), {
      resOpFailedEvent: step("create", instance, "agent-1-instance"),
    }),
  );
}

test("status of an up that stopped half-way names each machine's stage, since when, why, and the fix", async () => {
  const there = await unfinished();
  lastLog(there);
  const error = await failure(status(there.context, lightsail));
  expect(error.message).toContain("was not brought up completely");
  const text = there.printed.join("\n");
  expect(text).toMatch(/^server-1: stage k3s running for \d+ min \d\d s, 2 attempts: no etcd$/m);
  expect(text).toContain("fix: see ./homespan ssh --stack lightsail server-1 -- journalctl -u k3s");
  expect(text).toMatch(
    /^server-2: stage contact failed after \d+ min \d\d s: it does not answer by SSH at 198.18.1.9, port 22: Connection refused$/m,
  );
  expect(text).toMatch(/^server-3: stage network waiting: its address or its ports are not set$/m);
  expect(text).toContain(`agent-1: stage instance failed: its instance was not made: ${throttled}`);
  expect(text).toMatch(/wait a few minutes, then run up again/);
  // Of the one nobody has talked to no key is known, and nothing is told to it.
  const asked = there.calls().filter((call) => call.startsWith("ssh|"));
  expect(asked).toHaveLength(2);
  expect(asked.find((call) => call.includes("198.18.1.8"))).toContain("StrictHostKeyChecking=yes");
  expect(asked.find((call) => call.includes("198.18.1.9"))).toContain("StrictHostKeyChecking=accept-new");
  expect(there.calls()).toContain("key|600|-----BEGIN KEY-----");
});

test("status of a stack that was up names the machines that have come since and are not finished", async () => {
  const there = await unfinished();
  const done = {
    ...outputs,
    nodes: [
      {
        ...{ name: "server-1", role: "server", site: "eu-central-1", hostName: "l-server-1" },
        transport: {
          kind: "ssh",
          address: "198.18.1.8",
          port: 22,
          user: "admin",
          hostKey: "ssh-ed25519 AAAA",
        },
      },
    ],
  };
  const stack = { urn: urn("pulumi:pulumi:Stack", "s"), type: "pulumi:pulumi:Stack", outputs: done };
  const file = join(there.context.paths.backend, ".pulumi/stacks/homespan/lightsail.json");
  writeFileSync(file, JSON.stringify({ checkpoint: { latest: { resources: [stack, ...halfway] } } }));
  Object.assign(there.environment, {
    FAKE_OUTPUTS: there.file("outputs.json", done),
    FAKE_KUBERNETES_NODES: there.file("nodes.json", { items: [] }),
  });
  const error = await failure(status(there.context, lightsail));
  expect(error.message).toBe("not all nodes are Ready");
  const text = there.printed.join("\n");
  expect(text.match(/^server-1: /gm)).toHaveLength(1);
  expect(text).toContain("server-2: stage contact failed");
  expect(text).toContain(
    "a machine that never comes to answer: ./homespan recreate lightsail --node server-2",
  );
  expect(text).toContain("agent-1: stage instance waiting");
});

test.each([
  ["75", "server-1: stage data failed: its data directory is not there yet\n"],
  ["1", "at 198.18.1.8, port 22: exit code 1\n"],
])("a machine that says nothing but exit code %s is named with that alone", async (code, words) => {
  const there = await unfinished();
  Object.assign(there.environment, { FAKE_SSH_EXIT: code });
  await failure(status(there.context, lightsail));
  expect(there.printed.join("\n")).toContain(words);
});

test("a machine without boot files waits for its user-data", async () => {
  const there = await unfinished({ json: true });
  there.environment["FAKE_SSH_ERROR"] = "sudo: /usr/lib/homespan/stage: command not found";
  await failure(status(there.context, lightsail));
  const { stages } = JSON.parse(there.printed[0] ?? "") as { readonly stages: readonly object[] };
  expect(stages[1]).toMatchObject({
    node: "server-1",
    stage: "user-data",
    fix: expect.stringContaining("ssh --stack lightsail server-1 -- cloud-init status --long") as string,
  });
});

test("doctor says it too, with the accounts and what the last run failed with", async () => {
  const there = await unfinished({ json: true, env: { HOMESPAN_SOURCE: "download" } });
  lastLog(there);
  await failure(doctor(there.context, lightsail, ['sshAllowedCidrs=["0.0.0.0/1","128.0.0.0/1"]']));
  const told = JSON.parse(there.printed[0] ?? "") as {
    readonly account: readonly { readonly name: string; readonly result: string }[];
  };
  expect(told.account.map(({ name, result }) => [name, result])).toEqual([
    ["aws", "ok"],
    ["tailscale", "ok"],
    ["plugins", "notice"],
    ["ssh", expect.stringMatching(/ok|notice/)],
  ]);
  expect(told).toMatchObject({
    healthy: false,
    nodes: [{ node: "agent-1" }, { node: "server-1" }, { node: "server-2" }, { node: "server-3" }],
    lastRun: { errors: [{ resource: "Instance agent-1-instance", message: throttled }] },
  });
});

test("an up that fails ends with the same stages, and a fix for what the cloud said", async () => {
  const there = await unfinished();
  const about = urn(instance, "agent-1-instance");
  const message = "InsufficientInstanceCapacity: We currently do not have sufficient capacity";
  Object.assign(there.environment, {
    FAKE_EXIT: "255",
    FAKE_SSH_EXIT: "0",
    FAKE_CHECKPOINT: there.file("checkpoint.json", { checkpoint: { latest: { resources: halfway } } }),
    FAKE_EVENTS: there.file(
      "events",
      events(diagnostic(message, "error", about), {
        resOpFailedEvent: step("create", instance, "agent-1-instance"),
      }),
    ),
  });
  const error = await failure(
    up(there.context, lightsail, { settings: ['agents=[{"bundleId":"medium_3_0"}]'], timeoutMinutes: 1 }),
  );
  expect(error.message).toContain(`${message}\n    fix: set another \`availabilityZone\``);
  expect(error.message).toContain("server-1: stage k3s running for");
  expect(error.message).toContain("server-2: stage contact failed");
  expect(error.message).toContain(`agent-1: stage instance failed: its instance was not made: ${message}`);
});

test("ssh leads to a machine of an up that stopped half-way", async () => {
  const there = await unfinished();
  expect(await ssh(there.context, lightsail, "server-1", ["journalctl", "-u", "k3s"])).toBe(0);
  expect(there.calls().find((call) => call.startsWith("ssh|"))).toContain("sudo -n 'journalctl' '-u' 'k3s'");
  const error = await failure(ssh(there.context, lightsail, "agent-1", []));
  expect(error.message).toContain("must be one of server-1, server-2, got");
});

test("a machine that is only left to be deleted is none, and any machine with boot files is one", () => {
  const old = {
    ...part("server-1", instance, "instance", { createdAt: "2020-01-01T00:00:00Z" }),
    delete: true,
  };
  const { nodes, privateKey } = machineNodesIn([component("server-1"), old, boot("pi", "192.168.1.7")]);
  expect(nodes).toEqual([
    {
      name: "pi",
      atHome: true,
      instance: {},
      transport: {
        kind: "ssh",
        address: "192.168.1.7",
        port: 22,
        user: "admin",
        hostKey: "ssh-ed25519 AAAA",
      },
    },
    { name: "server-1", atHome: false, instance: undefined, transport: undefined },
  ]);
  expect(privateKey).toBe("KEY OF BOOT\n");
});

test("a machine at home that is ordered is one of the nodes before it was reached", () => {
  const types = [
    ...["homespan:libvirt:FlatcarVm", "homespan:lima:LimaAgent", "homespan:existing:ExistingHost"],
    "homespan:coreos:CoreosHost",
  ];
  const { nodes } = machineNodesIn(types.map((type, index) => ({ urn: urn(type, `node-${index}`), type })));
  expect(nodes).toEqual(
    types.map((_, index) => ({
      name: `node-${index}`,
      atHome: true,
      instance: undefined,
      transport: undefined,
    })),
  );
});

test.each([
  ["InvalidInputException: Some names are already in use: lightsail-server-1", "takes over"],
  ["You have reached the quota of 20 vCPUs in eu-central-1", "higher quota"],
  ["No valid credential sources found", "doctor prod"],
  ["server-2 was not ready by SSH within 600 s: connection refused", "recreate prod --node NODE"],
  [
    "m1 did not answer by SSH within 300 s: core@192.168.1.60:22: no answer within 10 s. A machine that is not installed yet is installed with what ./homespan ignition m1 prints: docs/fedora-coreos.md",
    "./homespan ignition m1 prod --write m1.ign",
  ],
  ["Overwrite Protected: You are trying to overwrite a non-default policy.", "`tailnet.adopt: true`"],
  ["requested tags [tag:l-server] are invalid or not permitted", "preview prod prints"],
  [
    'node server-2 was not Ready within 300 s: k3s ended: "Failed to start cAdvisor" err="inotify_init: too many open files"',
    "sysctl -w fs.inotify.max_user_instances=1024",
  ],
  [
    "failed to connect to remote host 'nas.local': ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain",
    "ssh-add the key that the host takes, or unset SSH_AUTH_SOCK",
  ],
  [
    "could not configure SSH authentication methods",
    "ssh-add the key that the host takes, or unset SSH_AUTH_SOCK",
  ],
  ["CreateInstance Lightsail Instance (x): error waiting for request operation", "run up again"],
])("%s has a fix", (message, words) => {
  expect(fixFor(message, "prod")).toContain(words);
});

test("other errors speak for themselves", () => {
  expect(fixFor("`servers` must be 1 or 3, got 4", "prod")).toBeUndefined();
});

test("a machine behind another one is reached through it, though what leads there is secret", () => {
  const via = {
    address: "imac.local",
    port: 22,
    user: "admin",
    hostKey: "ssh-ed25519 BBBB",
    privateKey: "K",
  };
  const { inputs, ...rest } = boot("agent-1", "127.0.0.1");
  const secretVia = { "4dabf18193072939515e22adb298388d": "1b47", plaintext: JSON.stringify(via) };
  const { nodes } = machineNodesIn([{ ...rest, inputs: { ...inputs, via: secretVia } }]);
  const { privateKey: _, ...hop } = via;
  expect(nodes[0]?.transport).toMatchObject({ address: "127.0.0.1", hostKey: "ssh-ed25519 AAAA", via: hop });
});
