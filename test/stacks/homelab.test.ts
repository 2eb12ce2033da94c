import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { formatProblem } from "../../stacks/grammar.ts";
import { homeMakers } from "../../stacks/home-hosts.ts";
import { checkHomelabConfig, type CheckedHomelabConfig } from "../../stacks/homelab-config.ts";
import { homelabJoining } from "../../stacks/homelab-joining.ts";
import { homelabStack } from "../../stacks/homelab.ts";
import { checkJoin, readJoin } from "../../stacks/join.ts";
import { joinSchema, type Join } from "../../stacks/join-schema.ts";
import type { StackMachine } from "../../stacks/stack-machine.ts";
import { machineSecrets, offeredJoin, prepared, secrets } from "../components/support/prepared.ts";
import { record, type Prepared, type Recording } from "../components/support/recorder.ts";
import { tree, waitsFor } from "./tree.ts";

const committed = parse(readFileSync(new URL("../../Pulumi.homelab.yaml", import.meta.url), "utf8")) as {
  config: Record<string, unknown>;
};

/** The committed configuration with some keys set otherwise, or taken away. */
function checked(changes: Record<string, unknown> = {}): CheckedHomelabConfig {
  const given = Object.entries(committed.config).map(([key, value]) => [key.replace("homespan:", ""), value]);
  const all = Object.entries({ ...Object.fromEntries(given), ...changes } as Record<string, unknown>);
  const values = Object.fromEntries(
    all
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
  const { checked: found, problems } = checkHomelabConfig({ stackName: "homelab", values });
  if (found === undefined) throw new Error(problems.map(formatProblem).join("\n"));
  return found;
}

const machine: StackMachine = { mirror: undefined, caCertificate: "" };
type StackRecording = Recording & { readonly outputs: unknown };

const own = {
  join: undefined,
  tailnet: { kind: "tailscale", domain: "tail0a1b2c.ts.net" },
  servers: [
    {
      vm: {
        ...{ host: "nas", vcpus: 2, memoryMiB: 4096, dataDiskGiB: 40, address: "192.168.1.41" },
      },
    },
  ],
};
const ownAgents = { ...own, agents: [{ vm: { ...vm("192.168.1.51") } }, { lima: {} }] };

function vm(address: string): Record<string, unknown> {
  return { host: "nas", vcpus: 2, memoryMiB: 4096, dataDiskGiB: 100, address };
}

async function ownCluster(
  changes: Record<string, unknown> = {},
  preview = false,
  outputs: Prepared = prepared,
  on: StackMachine = machine,
): Promise<StackRecording> {
  const { own: config, warnings } = checked({ ...ownAgents, ...changes });
  if (config === undefined) throw new Error("the configuration must be of a cluster of its own");
  const makers = await homeMakers(config.home);
  const options = { stack: "homelab", preview };
  return record(outputs, () => homelabStack({ own: config, warnings }, on, makers), options);
}

async function joining(
  changes: Record<string, unknown> = {},
  { join = {}, preview = false }: { readonly join?: Partial<Join>; readonly preview?: boolean } = {},
): Promise<StackRecording> {
  const { joining: config, warnings } = checked(changes);
  if (config === undefined) throw new Error("the configuration must be of agents that join");
  const makers = await homeMakers(config.home);
  const offer = joinSchema.parse({ ...offeredJoin, ...join });
  return record(
    prepared,
    () => homelabJoining({ joining: config, warnings }, offer, { mirror: undefined, makers }),
    { stack: "homelab", preview },
  );
}

beforeEach(() => {
  vi.spyOn(pulumi.log, "warn").mockResolvedValue();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const labelsOf = (recording: Recording, node: string): unknown =>
  recording.find("homespan:index:Membership", `${node}-membership`).inputs["labels"];

/** Every secret there is, in no input outside of one. */
function sweep({ registrations }: Recording): void {
  for (const registration of registrations) {
    const inputs = JSON.stringify(registration.inputs);
    for (const secret of [...Object.values(secrets), ...Object.values(machineSecrets)]) {
      expect(inputs, registration.urn).not.toContain(JSON.stringify(secret).slice(1, -1));
    }
  }
}

describe("a cluster of its own", () => {
  test("one server and two agents: the whole tree", async () => {
    expect(tree(await ownCluster())).toMatchSnapshot();
  });

  test("no cloud is asked for anything", async () => {
    const { registrations } = await ownCluster();
    expect(registrations.filter(({ type }) => type.includes("aws"))).toEqual([]);
  });

  test("no secret is in any input outside a secret", async () => {
    const recording = await ownCluster();
    sweep(recording);
    for (const it of recording.ofType("homespan:index:MachineBoot")) {
      expect(it.inputs).toMatchObject({ authKey: "[secret]", privateKey: "[secret]" });
    }
  });

  test("a preview, where nothing is made yet, registers the same", async () => {
    expect(tree(await ownCluster({}, true))).toEqual(tree(await ownCluster()));
  });

  test("the identity finds a server before its first contact, with Flatcar's own places", async () => {
    const type = "homespan:index:ClusterIdentity";
    let transports: unknown;
    const watched: Prepared = {
      ...prepared,
      [type]: (inputs, name) => {
        transports = inputs["serverTransports"];
        return prepared[type]?.(inputs, name) ?? {};
      },
    };
    await ownCluster({}, false, watched);
    expect(transports).toEqual([
      {
        ...{ kind: "ssh", address: "192.168.1.41", port: 22, user: "core", library: "/opt/homespan" },
        privateKey: machineSecrets.privateKey,
      },
    ]);
  });

  test("nodes are of their substrate and their site", async () => {
    const recording = await ownCluster();
    expect(labelsOf(recording, "server-1")).toEqual({
      ...{ "homespan.dev/site": "home", "homespan.dev/substrate": "flatcar", "node-type": "flatcar" },
    });
    expect(labelsOf(recording, "agent-2")).toMatchObject({
      "node-type": "lima",
      "homespan.dev/site": "home",
    });
  });

  test("images are signed by Flatcar, or by whoever builds those of the mirror", async () => {
    const signers = async (mirror: StackMachine["mirror"]): Promise<unknown[]> => {
      const recording = await ownCluster({}, false, prepared, { ...machine, mirror });
      return recording.ofType("homespan:index:VmImage").map(({ inputs }) => inputs["fingerprint"]);
    };
    expect(await signers(undefined)).toEqual(["F88CFEDEFF29A5B4D9523864E25D9AED0593B34A"]);
    expect(await signers({ flatcar: { fingerprint: "A".repeat(40) } })).toEqual(["A".repeat(40)]);
  });

  test("no machine waits for another machine", async () => {
    const recording = await ownCluster();
    const machines = recording.registrations.filter(({ type }) => /Domain$|LimaVm$/.test(type));
    for (const it of recording.ofType("homespan:index:NodeConfig")) {
      const waits = waitsFor(recording, it);
      const node = it.name.replace(/-config$/, "");
      const others = machines.filter(({ urn, name }) => waits.has(urn) && !name.startsWith(`${node}-`));
      expect(
        others.map(({ name }) => name),
        it.name,
      ).toEqual([]);
    }
  });

  test("snapshots stay on the servers, or go to a bucket of one's own", async () => {
    expect((await ownCluster()).outputs).toMatchObject({ snapshotBucket: null });
    const bucket = {
      ...{ kind: "s3", endpoint: "s3.example.com", bucket: "etcd", region: "eu-central-1" },
      accessKeyId: "AKIA0EXAMPLE",
    };
    const recording = await ownCluster({
      snapshots: { bucket },
      s3SecretAccessKey: machineSecrets.bucketSecret,
    });
    expect(recording.outputs).toMatchObject({
      snapshotBucket: { folder: "homelab", secretAccessKey: machineSecrets.bucketSecret },
    });
    sweep(recording);
  });

  test("one image and one connection serve all machines of a host, hosts without machines none", async () => {
    const recording = await ownCluster({
      libvirtHosts: {
        nas: { uri: "qemu:///system", site: "home", network: { kind: "bridge", name: "br0" } },
        spare: { uri: "qemu+ssh://spare/system", site: "home" },
      },
    });
    expect(recording.ofType("homespan:index:VmImage")).toHaveLength(1);
    expect(recording.ofType("pulumi:providers:libvirt").map(({ inputs }) => inputs["uri"])).toEqual([
      "qemu:///system",
    ]);
  });

  test("agents of other stacks can join it", async () => {
    const { outputs } = await ownCluster();
    const { join } = outputs as { readonly join: unknown };
    expect(joinSchema.parse(join)).toMatchObject({ clusterName: "homelab", site: "home" });
  });
});

describe("machines with Fedora CoreOS", () => {
  const coreos = (address: string) => ({ coreos: { address, site: "home" } });
  const metal = {
    ...own,
    ...{ libvirtHosts: undefined, flatcar: undefined, mac: undefined },
    servers: [{ name: "metal-1", ...coreos("192.168.1.60") }],
    agents: [{ ...coreos("192.168.1.61"), labels: { "example.com/disk": "nvme" } }],
  };

  test("are a cluster of their own: the whole tree", async () => {
    const recording = await ownCluster(metal);
    expect(tree(recording)).toMatchSnapshot();
    expect(tree(await ownCluster(metal, true))).toEqual(tree(recording));
    sweep(recording);
  });

  test("are of their substrate, and their identity is found before the first contact", async () => {
    const type = "homespan:index:ClusterIdentity";
    let transports: unknown;
    const watched: Prepared = {
      ...prepared,
      [type]: (inputs, name) => {
        transports = inputs["serverTransports"];
        return prepared[type]?.(inputs, name) ?? {};
      },
    };
    const recording = await ownCluster(metal, false, watched);
    expect(labelsOf(recording, "agent-1")).toMatchObject({
      ...{ "homespan.dev/site": "home", "homespan.dev/substrate": "coreos", "node-type": "coreos" },
      "example.com/disk": "nvme",
    });
    expect(transports).toMatchObject([
      { kind: "ssh", address: "192.168.1.60", user: "core", library: "/usr/local/libexec/homespan" },
    ]);
    const { inputs } = recording.find("homespan:index:NodeConfig", "metal-1-config");
    expect(JSON.stringify(inputs["files"])).toContain("/var/lib/homespan/data/secrets");
    expect(JSON.stringify(inputs["files"])).not.toContain(" /data/");
  });

  test("join another stack's cluster, and wait for nobody but the tailnet and the key", async () => {
    const recording = await joining({
      agents: [{ name: "metal-1", ...coreos("192.168.1.60") }, { lima: {} }],
    });
    expect(recording.find("homespan:index:Membership", "metal-1-membership").inputs).toMatchObject({
      ...{ clusterName: "prod", hostName: "prod-metal-1", tag: "tag:prod-agent" },
    });
    const machine = recording.find("homespan:index:InstalledMachine", "metal-1-machine");
    expect(String(machine.inputs["firstConfiguration"])).toContain("ssh-rsa AAAA homespan-homelab");
    expect([...waitsFor(recording, machine)].filter((urn) => urn.includes("agent-2"))).toEqual([]);
    const agent = recording.find("homespan:index:NodeConfig", "agent-2-config");
    expect([...waitsFor(recording, agent)].filter((urn) => urn.includes("metal-1"))).toEqual([]);
  });
});

describe("agents of another stack's cluster", () => {
  test("the committed file: the whole tree", async () => {
    expect(tree(await joining())).toMatchSnapshot();
  });

  test("mirrors are this stack's: its agents may have one near them", async () => {
    const recording = await joining({ registryMirrors: { "*": ["http://192.168.1.20:5000"] } });
    const { inputs } = recording.find("homespan:index:NodeConfig", "agent-1-config");
    const files = inputs["files"] as Record<string, string>;
    expect(parse(files["etc/rancher/k3s/registries.yaml"] ?? "")).toEqual({
      mirrors: { "*": { endpoint: ["http://192.168.1.20:5000"] } },
    });
  });

  test("no secret is in any input outside a secret, and none of the outputs but those that are meant", async () => {
    const recording = await joining();
    sweep(recording);
    for (const it of recording.ofType("homespan:index:NodeConfig")) {
      expect(it.inputs["secretFiles"]).toBe("[secret]");
    }
    for (const it of recording.ofType("homespan:index:Membership")) {
      expect(it.inputs["kubeconfig"]).toBe("[secret]");
    }
  });

  test("nothing of the tailnet is set, and nothing put on the cluster: keys are made", async () => {
    const { registrations } = await joining();
    const types = new Set(registrations.map(({ type }) => type));
    for (const type of ["tailscale:index/acl:Acl", "tailscale:index/dnsPreferences:DnsPreferences"]) {
      expect(types).not.toContain(type);
    }
    expect(types).toContain("tailscale:index/tailnetKey:TailnetKey");
    expect(
      [...types].filter((type) => /kubernetes|ClusterIdentity|ClusterAnchor|Kubeconfig|Acl/.test(type)),
    ).toEqual([]);
  });

  test("at a Headscale, too", async () => {
    const tailnet = {
      ...{ kind: "headscale" as const, url: "https://headscale.example.com", domain: "tailnet.example.com" },
      ...{ user: "prod", caCertificate: "" },
    };
    const { ofType } = await joining({}, { join: { tailnet } });
    expect(ofType("homespan:index:HeadscalePolicy")).toEqual([]);
    expect(ofType("homespan:index:HeadscaleKey").length).toBe(7);
  });

  test("agents are named, tagged and joined as the cluster's own", async () => {
    const recording = await joining();
    expect(recording.find("homespan:index:Membership", "agent-4-membership").inputs).toMatchObject({
      ...{ clusterName: "prod", nodeName: "agent-4", role: "agent", etcd: false },
      ...{ hostName: "prod-agent-4", tag: "tag:prod-agent", tailnet: { kind: "tailscale", tailnet: "-" } },
      endpoints: offeredJoin.servers.map(({ apiUrl }) => apiUrl),
    });
    const { inputs } = recording.find("homespan:index:NodeConfig", "vm-1-config");
    expect((inputs["joinFile"] as { fresh: string }).fresh).toContain("prod-server-3.tail0a1b2c.ts.net");
    const files = inputs["files"] as Record<string, string>;
    expect(files["etc/rancher/k3s/config.yaml"]).toContain("protect-kernel-defaults: true\n");
    expect(recording.find("homespan:index:LimaVm", "agent-4-vm").inputs).toMatchObject({
      ...{ name: "prod-agent-4", cpus: 4, memoryMiB: 16_384 },
    });
    expect(labelsOf(recording, "vm-2")).toMatchObject({
      "node-type": "flatcar",
      "homespan.dev/site": "home",
    });
  });

  test("they leave the cluster one by one when their stack goes: it stays", async () => {
    const recording = await joining();
    const memberships = recording.ofType("homespan:index:Membership");
    expect(memberships).toHaveLength(6);
    for (const it of memberships) {
      expect(it.deletedWith).toBe("");
      const config = recording.find("homespan:index:NodeConfig", it.name.replace("membership", "config"));
      expect(it.dependencies).toContain(config.urn);
    }
  });

  test("the way to the API is this stack's own operator, beside that of the other stack", async () => {
    const recording = await joining();
    expect(recording.find("homespan:index:TailnetOperator", "operator").inputs).toMatchObject({
      ...{ clusterName: "homelab", hostName: "prod-homelab-operator" },
    });
    const { kubeconfig } = recording.outputs as { readonly kubeconfig: string };
    expect(kubeconfig).toContain("proxy-url: http://127.0.0.1:41080\n");
    expect(kubeconfig).not.toContain("39999");
    expect(kubeconfig).toContain(secrets.offeredKey);
  });

  test("routes to pods follow the cluster's", async () => {
    const recording = await joining({}, { join: { podCidr: "10.50.0.0/16" } });
    const { inputs } = recording.find("homespan:index:NodeConfig", "agent-1-config");
    expect(JSON.stringify(inputs["files"])).toContain("10.50.0.0/16");
  });

  test("a preview, where nothing is made yet, registers the same", async () => {
    expect(tree(await joining({}, { preview: true }))).toEqual(tree(await joining()));
  });

  test("fifty agents register in linear count", async () => {
    const count = async (agents: number): Promise<number> => {
      const nodes = Array.from({ length: agents }, () => ({ lima: { memoryMiB: 1024 } }));
      const mac = { site: "home" };
      return (await joining({ agents: nodes, mac })).registrations.length;
    };
    const [one, two, fifty] = [await count(1), await count(2), await count(50)];
    expect(fifty - one).toBe(49 * (two - one));
  });
});

describe("what another stack offers", () => {
  const config = (changes: Record<string, unknown> = {}): NonNullable<CheckedHomelabConfig["joining"]> => {
    const found = checked(changes).joining;
    if (found === undefined) throw new Error("the configuration must be of agents that join");
    return found;
  };
  const said = (outputs: Record<string, unknown>, changes: Record<string, unknown> = {}): string[] =>
    checkJoin(outputs, config(changes)).problems.map(formatProblem);
  const fix = 'bring it up first: ./homespan up lightsail, got "lightsail"';

  test("is read with its secrets, from the mocked engine", async () => {
    const { result } = await record(prepared, () => readJoin("homelab", config()));
    expect(await result).toEqual(joinSchema.parse(offeredJoin));
  });

  test("a stack that cannot be read is one clear message", async () => {
    const broken = {
      ...prepared,
      "pulumi:pulumi:readStackOutputs": () => {
        // As gRPC brings it.
        throw Object.assign(new Error("2 UNKNOWN"), { details: 'unknown stack "lightsail"', code: 2 });
      },
    };
    const { result } = await record(broken, () =>
      readJoin("homelab", config()).catch((error: unknown) => String(error)),
    );
    expect(await result).toContain(`(it cannot be read: unknown stack "lightsail"); ${fix}`);
  });

  test.each([
    [{}, "it has no outputs: it is not up"],
    [
      { clusterName: "prod" },
      "it was brought up by a version of Homespan without it, or is no stack that has servers on machines",
    ],
    [
      { clusterName: "prod", join: { version: 0 } },
      "its output is of form 0, this version of Homespan reads 1",
    ],
    [{ clusterName: "prod", join: { ...offeredJoin, agentToken: undefined } }, "its output lacks agentToken"],
  ])("%j", (outputs, why) => {
    expect(said(outputs)).toEqual([
      `\`join\` must name a stack that offers its cluster in its output \`join\` (${why}); ${fix}`,
    ]);
  });

  test("names of its nodes are taken, its site is its own, its name begins all names: all at once", () => {
    const changes = {
      agents: [
        { name: "server-2", lima: {} },
        { name: "homelab-operator", lima: { sshPort: 60_200 } },
        { name: "a".repeat(40), lima: { sshPort: 60_201 } },
      ],
      mac: { site: "eu-central-1" },
    };
    expect(said({ join: { ...offeredJoin, clusterName: "c".repeat(30) } }, changes)).toEqual([
      '`agents[0].name` must be unique (lightsail has a node of this name), got "server-2"',
      '`agents[1].name` must not be the name of the machine that runs Pulumi in the tailnet, got "homelab-operator"',
      '`mac.site` must not be the site of lightsail\'s servers, whose network no machine of this stack is in, got "eu-central-1"',
      expect.stringMatching(/^`agents\[2\].name` must be at most 32 characters/),
    ]);
  });
});
