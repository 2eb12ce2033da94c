import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { checkLightsailConfig, type CheckedLightsailConfig } from "../../stacks/lightsail-config.ts";
import { homeMakers } from "../../stacks/home-hosts.ts";
import { lightsailStack } from "../../stacks/lightsail.ts";
import type { StackMachine } from "../../stacks/stack-machine.ts";
import { machineSecrets, prepared, secrets } from "../components/support/prepared.ts";
import { record, type Recording } from "../components/support/recorder.ts";
import { tree, waitsFor } from "./tree.ts";

const committed = parse(readFileSync(new URL("../../Pulumi.lightsail.yaml", import.meta.url), "utf8")) as {
  config: Record<string, unknown>;
};

/** The committed configuration with some keys set otherwise. */
function checked(changes: Record<string, unknown> = {}): CheckedLightsailConfig {
  const given = Object.entries(committed.config).map(([key, value]) => [key.replace("homespan:", ""), value]);
  const all = Object.entries({ ...Object.fromEntries(given), ...changes } as Record<string, unknown>);
  const values = Object.fromEntries(
    all.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
  const { config, problems, warnings } = checkLightsailConfig({ stackName: "lightsail", values });
  if (config === undefined) throw new Error(problems.map((it) => `${it.field} ${it.rule}`).join("\n"));
  return { config, warnings };
}

const machine: StackMachine = { mirror: undefined, caCertificate: "" };
type StackRecording = Recording & { readonly outputs: unknown };
const recordings = new Map<string, Promise<StackRecording>>();

/** Runs the stack with these changes; runs with the same changes are one. */
function run(changes: Record<string, unknown> = {}, preview = false): Promise<StackRecording> {
  const id = JSON.stringify([changes, preview]);
  const recording = recordings.get(id) ?? recorded(changes, preview);
  recordings.set(id, recording);
  return recording;
}

async function recorded(changes: Record<string, unknown>, preview: boolean): Promise<StackRecording> {
  const settings = checked(changes);
  const makers = await homeMakers(settings.config.home);
  return record(prepared, () => lightsailStack(settings, machine, makers), { stack: "lightsail", preview });
}

const withAgent = { agents: [{ bundleId: "large_3_0", blueprintId: "ubuntu_24_04", diskGiB: 64 }] };

afterEach(() => {
  vi.restoreAllMocks();
});

test("the committed file: the whole tree", async () => {
  expect(tree(await run())).toMatchSnapshot();
});

test("every node is told of mirrors, and without them has no file of registries", async () => {
  const registries = ({ ofType }: StackRecording): readonly unknown[] =>
    ofType("homespan:index:NodeConfig").map(({ inputs }) => {
      const text = (inputs["files"] as Record<string, string>)["etc/rancher/k3s/registries.yaml"];
      return text === undefined ? undefined : (parse(text) as unknown);
    });
  expect(new Set(registries(await run(withAgent)))).toEqual(new Set([undefined]));
  const registryMirrors = { "docker.io": ["https://mirror.example.com"] };
  const told = registries(await run({ ...withAgent, registryMirrors }));
  expect(told).toHaveLength(4);
  for (const file of told) {
    expect(file).toEqual({ mirrors: { "docker.io": { endpoint: ["https://mirror.example.com"] } } });
  }
});

test("a lone server and an agent with a disk: the whole tree", async () => {
  expect(tree(await run({ ...withAgent, servers: [{ bundleId: "large_3_0" }] }))).toMatchSnapshot();
});

const withExisting = {
  agents: [...withAgent.agents, { existing: { address: "192.168.1.20", user: "pi", site: "home" } }],
};

test("an agent with Fedora CoreOS is one of them, and let in by the cluster's key", async () => {
  const coreos = { address: "192.168.1.60", site: "home" };
  const recording = await run({ agents: [...withAgent.agents, { name: "metal-1", coreos }] });
  const { inputs } = recording.find("homespan:index:InstalledMachine", "metal-1-machine");
  expect(String(inputs["firstConfiguration"])).toContain("ssh-rsa AAAA homespan-lightsail");
  const { labels } = recording.find("homespan:index:Membership", "metal-1-membership").inputs;
  expect(labels).toMatchObject({ "homespan.dev/site": "home", "node-type": "coreos" });
  const { nodes } = recording.outputs as { readonly nodes: readonly unknown[] };
  expect(nodes.at(-1)).toMatchObject({
    name: "metal-1",
    transport: { user: "core", library: "/usr/local/libexec/homespan" },
  });
});

test("an agent elsewhere is a node like the others, and waits for no instance", async () => {
  const recording = await run(withExisting);
  const machine = recording.find("homespan:index:ExistingMachine", "agent-2-machine");
  expect(machine.inputs).toMatchObject({
    nodeName: "agent-2",
    address: "192.168.1.20",
    privateKey: "[secret]",
  });
  const waits = waitsFor(recording, recording.find("homespan:index:NodeConfig", "agent-2-config"));
  expect(recording.ofType("aws:lightsail/instance:Instance").filter(({ urn }) => waits.has(urn))).toEqual([]);
  expect(waits).toContain(machine.urn);
  const { labels } = recording.find("homespan:index:Membership", "agent-2-membership").inputs;
  expect(labels).toMatchObject({ "homespan.dev/site": "home", "node-type": "existing" });
  const { nodes } = recording.outputs as { readonly nodes: readonly unknown[] };
  expect(nodes.at(-1)).toEqual({
    name: "agent-2",
    role: "agent",
    site: "home",
    hostName: "lightsail-agent-2",
    transport: { kind: "ssh", address: "192.168.1.20", port: 22, user: "pi", hostKey: "ssh-ed25519 AAAA" },
  });
});

const withHome = {
  libvirtHosts: {
    nas: {
      uri: "qemu+ssh://homespan@nas.local/system",
      site: "home",
      network: { kind: "bridge", name: "br0" },
    },
  },
  flatcar: { version: "4230.2.3", sha256: "0".repeat(64) },
  mac: { address: "imac.local", user: "admin", site: "home" },
  agents: [
    ...withExisting.agents,
    { vm: { host: "nas", vcpus: 2, memoryMiB: 4096, dataDiskGiB: 100, address: "192.168.1.51" } },
    { lima: {} },
  ],
};

test("Lightsail's servers with agents of every kind at home, in one apply: the whole tree", async () => {
  expect(tree(await run(withHome))).toMatchSnapshot();
});

test("agents at home are nodes like the others: none waits for an instance, each is told with its way", async () => {
  const recording = await run(withHome);
  const instances = recording.ofType("aws:lightsail/instance:Instance");
  for (const node of ["agent-3", "agent-4"]) {
    const waits = waitsFor(recording, recording.find("homespan:index:NodeConfig", `${node}-config`));
    expect(instances.filter(({ urn }) => waits.has(urn))).toEqual([]);
  }
  const labels = (node: string): unknown =>
    recording.find("homespan:index:Membership", `${node}-membership`).inputs["labels"];
  expect(labels("agent-3")).toMatchObject({ "homespan.dev/site": "home", "node-type": "flatcar" });
  expect(labels("agent-4")).toMatchObject({ "homespan.dev/site": "home", "node-type": "lima" });
  const { nodes } = recording.outputs as { readonly nodes: readonly { readonly transport: unknown }[] };
  const hostKey = "ssh-ed25519 AAAA";
  expect(nodes.slice(-2).map(({ transport }) => transport)).toEqual([
    { kind: "ssh", address: "192.168.1.51", port: 22, user: "core", hostKey, library: "/opt/homespan" },
    {
      ...{ kind: "ssh", address: "127.0.0.1", port: 60_104, user: "homespan", hostKey },
      via: { address: "imac.local", port: 22, user: "admin", hostKey: "ssh-ed25519 BBBB" },
    },
  ]);
});

test.each([
  ["agents elsewhere", withExisting],
  ["agents at home", withHome],
])(
  "%s: no secret is in any input outside a secret, and what carries one is marked",
  async (_title, changes) => {
    const { registrations, find, ofType } = await run(changes);
    for (const registration of registrations) {
      const inputs = JSON.stringify(registration.inputs);
      for (const secret of [...Object.values(secrets), ...Object.values(machineSecrets)]) {
        expect(inputs, registration.urn).not.toContain(JSON.stringify(secret).slice(1, -1));
      }
    }
    for (const it of ofType("homespan:index:MachineBoot")) {
      expect(it.inputs).toMatchObject({ authKey: "[secret]", privateKey: "[secret]" });
    }
    for (const type of ["NodeConfig", "Membership"]) {
      for (const it of ofType(`homespan:index:${type}`)) expect(it.inputs["transport"]).toBe("[secret]");
    }
    expect(find("homespan:index:ClusterIdentity", "identity").inputs["serverTransports"]).toBe("[secret]");
    expect(find("homespan:index:TailnetOperator", "operator").inputs["authKey"]).toBe("[secret]");
    expect(find("homespan:index:Kubeconfig", "cluster-kubeconfig").inputs["servers"]).toBe("[secret]");
    expect(find("pulumi:providers:kubernetes", "cluster").inputs["kubeconfig"]).toBe("[secret]");
  },
);

test("what waits for what", async () => {
  const recording = await run(withAgent);
  const { find } = recording;
  const waits = (type: string, name: string): Set<string> => waitsFor(recording, find(type, name));
  const own = (type: string): string => `homespan:index:${type}`;
  const urn = (type: string, name: string): string => find(type, name).urn;
  const key = "tailscale:index/tailnetKey:TailnetKey";

  expect(waits(key, "server-1-key")).toContain(urn("aws:lightsail/instance:Instance", "server-1-instance"));
  expect(waits(key, "agent-1-key")).toContain(urn("aws:lightsail/disk:Disk", "agent-1-disk"));
  expect(waits(key, "server-1-key")).toContain(urn("tailscale:index/acl:Acl", "tailnet-policy"));
  expect(waits(own("MachineBoot"), "server-1-boot")).toContain(urn(key, "server-1-key"));
  expect(waits(own("NodeConfig"), "server-1-config")).toContain(urn(own("MachineBoot"), "server-1-boot"));
  expect(waits(own("Kubeconfig"), "cluster-kubeconfig")).toContain(urn(own("TailnetOperator"), "operator"));
  expect(waits(own("Membership"), "agent-1-membership")).toContain(urn(own("TailnetOperator"), "operator"));
  expect(waits(own("TailnetOperator"), "operator")).toContain(
    urn("tailscale:index/acl:Acl", "tailnet-policy"),
  );
  const deployment = find("kubernetes:apps/v1:Deployment", "smoke-deployment");
  for (const membership of recording.ofType(own("Membership"))) {
    expect(deployment.dependencies).toContain(membership.urn);
  }
});

test("no machine waits for another machine, and the operator for none", async () => {
  const recording = await run(withAgent);
  const machines = recording.registrations.filter((it) =>
    /Instance$|MachineBoot$|NodeConfig$|TailnetOperator$/.test(it.type),
  );
  const instances = recording.ofType("aws:lightsail/instance:Instance");
  for (const it of machines) {
    const waits = waitsFor(recording, it);
    const node = it.name.replace(/-(instance|boot|config)$/, "");
    const others = instances.filter(({ urn, name }) => waits.has(urn) && name !== `${node}-instance`);
    // The addresses of all servers are there before any instance; a node's files wait for nothing else of another node.
    expect(
      others.map(({ name }) => name),
      it.name,
    ).toEqual([]);
  }
});

test("one key pair opens all machines, from one provider of the region", async () => {
  const recording = await run(withAgent);
  expect(recording.find("aws:lightsail/keyPair:KeyPair", "key-pair").inputs).toEqual({
    name: "lightsail-key",
    publicKey: "ssh-rsa AAAA homespan-lightsail",
    tags: { "homespan.cluster": "lightsail" },
  });
  expect(recording.find("pulumi:providers:aws", "aws").inputs).toMatchObject({ region: "eu-central-1" });
  for (const it of recording.registrations.filter(({ type }) => type.startsWith("aws:"))) {
    expect(it.provider, it.urn).toContain("pulumi:providers:aws::aws");
  }
  for (const it of recording.ofType("aws:lightsail/instance:Instance")) {
    expect(it.inputs["keyPairName"]).toBe("lightsail-key");
  }
});

test("everything reaches the API through the operator, by the names in the tailnet", async () => {
  const { find } = await run();
  expect(find("homespan:index:Kubeconfig", "cluster-kubeconfig").inputs).toMatchObject({
    proxyUrl: "http://127.0.0.1:41080",
  });
  expect(find("homespan:index:Membership", "server-2-membership").inputs).toMatchObject({
    endpoints: [1, 2, 3].map((n) => `https://lightsail-server-${n}.tail0a1b2c.ts.net:6443`),
    ownEndpoint: "https://lightsail-server-2.tail0a1b2c.ts.net:6443",
    tailnet: { kind: "tailscale", tailnet: "-" },
    etcd: true,
  });
  expect(find("homespan:index:TailnetOperator", "operator").inputs).toMatchObject({
    hostName: "lightsail-operator",
    loginServer: "",
    caCertificate: "",
    tailnet: { kind: "tailscale", tailnet: "-" },
  });
});

interface JoinFile {
  readonly fresh: string;
  readonly initialised: string;
}

test("a node is known to the world by its static address, etcd's snapshots are as configured", async () => {
  const { find } = await run({ snapshots: { schedule: "0 3 * * *", keep: 9 } });
  const { inputs } = find("homespan:index:NodeConfig", "server-2-config");
  const { fresh, initialised } = inputs["joinFile"] as JoinFile;
  for (const text of [fresh, initialised]) expect(text).toContain("\nEXTERNAL_IP=198.51.100.12\n");
  const config = (inputs["files"] as Record<string, string>)["etc/rancher/k3s/config.yaml"];
  expect(config).toContain("etcd-snapshot-schedule-cron: 0 3 * * *\n");
  expect(config).toContain("etcd-snapshot-retention: 9\n");
});

test("servers are told which pods to admit and what to log, all nodes to protect the kernel's settings", async () => {
  const { ofType } = await run({
    servers: [{ bundleId: "large_3_0" }],
    agents: [{ bundleId: "large_3_0" }],
    podSecurity: { enforce: "baseline", exemptNamespaces: ["monitoring"] },
    auditLog: { maxAgeDays: 90, maxBackups: 20, maxSizeMiB: 50 },
    extraConfig: { server: { "servicelb-namespace": "balancers", "kube-apiserver-arg+": ["v=2"] } },
  });
  const files: Record<string, Record<string, string>> = Object.fromEntries(
    ofType("homespan:index:NodeConfig").map(({ inputs }) => [
      String(inputs["nodeName"]),
      inputs["files"] as Record<string, string>,
    ]),
  );
  const { "server-1": server = {}, "agent-1": agent = {} } = files;
  const admission = server["etc/rancher/k3s/admission.yaml"];
  expect(admission).toContain("enforce: baseline\n");
  for (const namespace of ["balancers", "kube-system", "monitoring"]) {
    expect(admission).toContain(`- ${namespace}\n`);
  }
  for (const argument of ["audit-log-maxage=90", "audit-log-maxbackup=20", "audit-log-maxsize=50", "v=2"]) {
    expect(server["etc/rancher/k3s/config.yaml"]).toContain(`  - ${argument}\n`);
  }
  for (const node of [server, agent]) {
    expect(node["etc/rancher/k3s/config.yaml"]).toContain("protect-kernel-defaults: true\n");
  }
  expect(Object.keys(agent).sort()).toEqual([
    "etc/rancher/k3s/config.yaml",
    "etc/rancher/k3s/config.yaml.d/05-registration.yaml",
    "rancher/k3s/agent/etc/kubelet.conf.d/05-homespan.conf",
  ]);
});

test("settings of single nodes reach exactly these nodes", async () => {
  const { find } = await run({
    servers: [
      { bundleId: "large_3_0", labels: { "example.com/rack": "a" }, taints: ["example.com/x:NoSchedule"] },
    ],
    agents: [{ bundleId: "large_3_0", kubeletArgs: ["max-pods=60"] }],
    extraConfig: { agent: { "prefer-bundled-bin": true } },
  });
  const file = (node: string, name: string): string =>
    (find("homespan:index:NodeConfig", `${node}-config`).inputs["files"] as Record<string, string>)[
      `etc/rancher/k3s/${name}`
    ] ?? "";
  expect(file("agent-1", "config.yaml")).toContain("max-pods=60");
  expect(file("agent-1", "config.yaml")).toContain("prefer-bundled-bin: true");
  expect(file("server-1", "config.yaml")).not.toMatch(/max-pods|prefer-bundled/);
  expect(file("server-1", "config.yaml.d/05-registration.yaml")).toContain("example.com/x:NoSchedule");
  expect(find("homespan:index:Membership", "server-1-membership").inputs["labels"]).toEqual({
    "example.com/rack": "a",
    "homespan.dev/site": "eu-central-1",
    "homespan.dev/substrate": "lightsail",
    "node-type": "lightsail",
  });
});

test("with ingress Services are served by servers alone", async () => {
  const { find } = await run({ ingress: true, ...withAgent });
  const labels = (node: string): unknown =>
    find("homespan:index:Membership", `${node}-membership`).inputs["labels"];
  expect(labels("server-1")).toHaveProperty(["svccontroller.k3s.cattle.io/enablelb"], "true");
  expect(labels("agent-1")).not.toHaveProperty(["svccontroller.k3s.cattle.io/enablelb"]);
});

test("a whole-stack destroy drains nothing, and asks no node to remove its files", async () => {
  const recording = await run(withAgent);
  const anchor = recording.find("homespan:index:ClusterAnchor", "cluster-anchor").urn;
  for (const it of recording.registrations) {
    if (it.type.startsWith("kubernetes:") || it.type === "homespan:index:Membership") {
      expect(it.deletedWith, it.urn).toBe(anchor);
    }
    if (it.type === "homespan:index:NodeConfig") {
      expect(it.deletedWith).toBe(
        recording.find("homespan:index:MachineBoot", it.name.replace(/-config$/, "-boot")).urn,
      );
    }
  }
});

test("a mirror's programs take the place of the official ones, on every node", async () => {
  const urls = ["http://10.0.0.1/k3s"];
  const mirror = { k3s: { amd64: { urls, sha256: "1".repeat(64) } } };
  const conf = (recording: Recording, node: string): string =>
    (recording.find("homespan:index:MachineBoot", `${node}-boot`).inputs["files"] as Record<string, string>)[
      "artifacts.conf"
    ] ?? "";
  const mirrored = await record(prepared, () => lightsailStack(checked(), { ...machine, mirror }));
  for (const node of ["server-1", "server-2", "server-3"]) {
    expect(conf(mirrored, node)).toContain("K3S_AMD64_URL=http://10.0.0.1/k3s\n");
    expect(conf(mirrored, node)).toContain("TAILSCALE_AMD64_URL=https://pkgs.tailscale.com/");
  }
  expect(conf(await run(), "server-1")).toContain("K3S_AMD64_URL=https://github.com/k3s-io/k3s/releases/");
});

test("a preview, where nothing is made yet, registers the same", async () => {
  expect(tree(await run(withAgent, true))).toEqual(tree(await run(withAgent)));
});

test("fifty agents register in linear count", async () => {
  vi.spyOn(pulumi.log, "warn").mockResolvedValue();
  const count = async (agents: number): Promise<number> => {
    const nodes = Array.from({ length: agents }, () => ({ bundleId: "micro_3_0" }));
    return (await run({ agents: nodes })).registrations.length;
  };
  const [none, one, fifty] = [await count(0), await count(1), await count(50)];
  expect(fifty - none).toBe(50 * (one - none));
});

test("warnings are told once", async () => {
  const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
  const servers = [{ bundleId: "large_3_0" }, { bundleId: "xlarge_3_0" }];
  await record(prepared, () => lightsailStack(checked({ servers }), machine));
  expect(warn.mock.calls.map(([text]) => text)).toEqual([
    expect.stringMatching(/^`servers`: two servers survive no loss/),
  ]);
});

test("a policy that is kept elsewhere is told what to hold, by each preview and by nothing else", async () => {
  const info = vi.spyOn(pulumi.log, "info").mockResolvedValue();
  const tailnet = { kind: "tailscale", domain: "tail0a1b2c.ts.net", policy: "elsewhere" };
  const told = async (changes: Record<string, unknown>, preview: boolean): Promise<unknown[]> => {
    info.mockClear();
    await record(prepared, () => lightsailStack(checked(changes), machine), { preview });
    return info.mock.calls.map(([text]) => text);
  };
  expect(await told({ tailnet }, true)).toEqual([
    expect.stringMatching(
      /^The policy of the tailnet has to hold this before `up`:\n\/\/ Written by Homespan/,
    ),
  ]);
  expect(await told({ tailnet }, false)).toEqual([]);
  expect(await told({}, true)).toEqual([]);
});

test("outputs", async () => {
  const ssh = { kind: "ssh", address: "198.51.100.11", port: 22, hostKey: "ssh-ed25519 AAAA" };
  const { outputs } = await run({ ...withAgent, servers: [{ bundleId: "large_3_0" }], timeToLive: "2h" });
  expect(outputs).toEqual({
    clusterName: "lightsail",
    apiUrl: "https://127.0.0.1:6443",
    expiresAt: "2026-11-21T14:00:00.000Z",
    kubeconfig: secrets.kubeconfig,
    sshPrivateKey: machineSecrets.privateKey,
    join: {
      version: 1,
      clusterName: "lightsail",
      site: "eu-central-1",
      k3sVersion: "v1.35.1+k3s1",
      podCidr: null,
      hardening: {
        podSecurity: { enforce: "restricted", exemptNamespaces: ["kube-system"] },
        auditLog: { maxAgeDays: 30, maxBackups: 10, maxSizeMiB: 100 },
      },
      servers: [
        {
          name: "server-1",
          fullyQualifiedName: "lightsail-server-1.tail0a1b2c.ts.net",
          apiUrl: "https://lightsail-server-1.tail0a1b2c.ts.net:6443",
        },
      ],
      nodeNames: ["server-1", "agent-1"],
      tailnet: { kind: "tailscale", domain: "tail0a1b2c.ts.net" },
      agentToken: secrets.agentToken,
      kubeconfig: secrets.kubeconfig,
    },
    snapshotBucket: {
      endpoint: "s3.eu-central-1.amazonaws.com",
      bucket: "lightsail-etcd-3b1f",
      region: "eu-central-1",
      folder: "",
      accessKeyId: "AKIA0EXAMPLE",
      secretAccessKey: machineSecrets.bucketSecret,
    },
    tailnetPolicy: expect.stringContaining('"tag:lightsail-server": ["autogroup:admin"],') as string,
    nodes: [
      {
        name: "server-1",
        role: "server",
        site: "eu-central-1",
        hostName: "lightsail-server-1",
        transport: { ...ssh, user: "admin" },
      },
      {
        name: "agent-1",
        role: "agent",
        site: "eu-central-1",
        hostName: "lightsail-agent-1",
        transport: { ...ssh, user: "ubuntu" },
      },
    ],
  });
});

test("the nodes in the outputs are readable: no key is among them", async () => {
  const { result } = await record(prepared, () => lightsailStack(checked(), machine));
  expect(await pulumi.isSecret(result.nodes)).toBe(false);
  expect(await pulumi.isSecret(result.sshPrivateKey)).toBe(true);
  expect(await pulumi.isSecret(result.kubeconfig)).toBe(true);
  expect(await pulumi.isSecret(pulumi.output(result.snapshotBucket))).toBe(true);
  const { agentToken, kubeconfig, ...open } = result.join;
  expect(await pulumi.isSecret(agentToken)).toBe(true);
  expect(await pulumi.isSecret(kubeconfig)).toBe(true);
  expect(await pulumi.isSecret(pulumi.output(open))).toBe(false);
});

test("snapshots go where the configuration says, with their key in a secret file of the servers alone", async () => {
  const path = "etc/rancher/k3s/config.yaml.d/20-snapshots.yaml";
  const own = {
    snapshots: {
      bucket: {
        ...{ kind: "s3", endpoint: "s3.example.com", bucket: "etcd", region: "eu-central-1" },
        accessKeyId: "AKIA0EXAMPLE",
      },
    },
    s3SecretAccessKey: machineSecrets.bucketSecret,
  };
  for (const [changes, made, folder] of [
    [withAgent, 1, ""],
    [{ ...withAgent, ...own }, 0, "lightsail"],
  ] as const) {
    const { ofType, find, outputs, registrations } = await run(changes);
    expect(ofType("aws:lightsail/bucket:Bucket")).toHaveLength(made);
    expect(outputs).toMatchObject({ snapshotBucket: { folder } });
    expect(find("homespan:index:NodeConfig", "server-1-config").inputs["secretFiles"]).toBe("[secret]");
    expect(find("homespan:index:NodeConfig", "server-1-config").inputs["files"]).not.toHaveProperty([path]);
    expect(JSON.stringify(registrations)).not.toContain(machineSecrets.bucketSecret);
  }
  const { ofType, outputs } = await run({ snapshots: { bucket: { kind: "none" } } });
  expect(ofType("aws:lightsail/bucket:Bucket")).toEqual([]);
  expect(outputs).toMatchObject({ snapshotBucket: null });
});
