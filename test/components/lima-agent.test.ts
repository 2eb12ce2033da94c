import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { LimaAgent } from "../../components/lima/agent.ts";
import { LimaMac } from "../../components/lima/lima-mac.ts";
import { usualLimaBlueprint } from "../../components/render/lima-blueprint.ts";
import { limaAgentPlans, limaRoom } from "../../components/render/lima-plan.ts";
import { topologyLabels } from "../../components/render/labels.ts";
import { limaImages } from "../../components/upstream/lima.ts";
import { tailscaleArtifact } from "../render/samples-machine.ts";
import { machineSecrets, prepared } from "./support/prepared.ts";
import { record, type Recording, type Registration } from "./support/recorder.ts";
import { sampleTailnet } from "./support/samples.ts";

const plans = limaAgentPlans({
  clusterName: "home",
  blueprint: usualLimaBlueprint,
  agents: [
    { nodeName: "agent-1" },
    { nodeName: "agent-2" },
    { nodeName: "agent-3" },
    { nodeName: "agent-4", override: { cpus: 4, memoryMiB: 16_384, image: "ubuntu-25.10" } },
  ],
});
const imac = { kind: "ssh" as const, address: "imac.local", port: 22, user: "admin" };

const run = (
  place: typeof imac | { readonly kind: "local" } = imac,
): Promise<Recording & { readonly outputs: unknown }> =>
  record(prepared, () => {
    const privateKey = pulumi.secret(machineSecrets.privateKey);
    const publicKey = "ssh-rsa AAAA homespan-home";
    const mac = new LimaMac(
      "imac",
      {
        ...{ clusterName: "home", place, publicKey, privateKey, network: { kind: "user-v2" as const } },
        startAt: "boot" as const,
        machines: plans.map(limaRoom),
      },
      {},
    );
    const tailnet = sampleTailnet();
    const agents = plans.map(
      (plan) =>
        new LimaAgent(plan.nodeName, {
          ...{ clusterName: "home", site: "home", mac, plan, tailnet, publicKey, privateKey },
          artifacts: [tailscaleArtifact],
        }),
    );
    return agents.map(({ transport, identity, tag, site, substrate, hostName, fullyQualifiedName }) => ({
      ...{ transport, identity, tag, site, substrate, hostName, fullyQualifiedName },
    }));
  });

const own = ({ registrations }: Recording, node: string): Registration[] =>
  registrations.filter((it) => it.parent.endsWith(`homespan:lima:LimaAgent::${node}`));
const vm = (recording: Recording, node: string): Registration =>
  recording.find("homespan:index:LimaVm", `${node}-vm`);

test("registers exactly its disk, its virtual machine, its key and the first delivery below itself", async () => {
  const recording = await run();
  for (const { nodeName } of plans) {
    expect(
      own(recording, nodeName)
        .map((it) => `${it.type} ${it.name}`)
        .sort(),
    ).toEqual([
      `homespan:index:HeadscaleKey ${nodeName}-key`,
      `homespan:index:LimaDisk ${nodeName}-disk`,
      `homespan:index:LimaVm ${nodeName}-vm`,
      `homespan:index:MachineBoot ${nodeName}-boot`,
    ]);
  }
});

test("four agents differ by their names, and agent-4 by its override", async () => {
  const recording = await run();
  const inputs = plans.map(({ nodeName }) => vm(recording, nodeName).inputs);
  const common = (it: Record<string, unknown>): unknown => {
    const { nodeName: _, name: __, dataDisk: ___, identity: ____, sshPort: _____, ...rest } = it;
    return rest;
  };
  expect(common(inputs[1]!)).toEqual(common(inputs[0]!));
  expect(common(inputs[2]!)).toEqual(common(inputs[0]!));
  expect(common(inputs[3]!)).toEqual({
    ...(common(inputs[0]!) as object),
    cpus: 4,
    memoryMiB: 16_384,
    images: limaImages["ubuntu-25.10"],
  });
  expect(inputs.map(({ sshPort }) => sshPort)).toEqual([60_101, 60_102, 60_103, 60_104]);
});

test("the virtual machine is of the Mac's driver, on its disk, and the way to the Mac is secret", async () => {
  const { inputs, secretOutputs, deleteBeforeReplace, protect } = vm(await run(), "agent-1");
  const { provision, images, ...rest } = inputs;
  expect(images).toEqual(limaImages["ubuntu-24.04"]);
  expect(rest).toEqual({
    mac: "[secret]",
    clusterName: "home",
    nodeName: "agent-1",
    name: "home-agent-1",
    vmType: "vz",
    cpus: 3,
    memoryMiB: 8192,
    diskGiB: 20,
    dataDisk: "home-agent-1-data",
    identity: "disk-of-agent-1",
    network: { kind: "user-v2" },
    sshPort: 60_101,
    startAt: "boot",
  });
  expect({ secretOutputs, deleteBeforeReplace, protect }).toEqual({
    secretOutputs: ["mac"],
    deleteBeforeReplace: true,
    protect: false,
  });
  expect(JSON.stringify(provision)).not.toMatch(/config\.yaml|PRIVATE KEY|hskey/);
  expect(JSON.stringify(provision)).toContain("ssh-rsa AAAA homespan-home");
});

test("the disk of the data is protected, and a node of its own", async () => {
  const recording = await run();
  const disk = recording.find("homespan:index:LimaDisk", "agent-4-disk");
  expect(disk.protect).toBe(true);
  expect(disk.inputs).toEqual({
    mac: "[secret]",
    clusterName: "home",
    nodeName: "agent-4",
    name: "home-agent-4-data",
    sizeGiB: 300,
  });
});

test("the first delivery goes by way of the Mac, to this machine alone, and goes with it", async () => {
  const recording = await run();
  const boot = recording.find("homespan:index:MachineBoot", "agent-1-boot");
  const { files, bootRevision, ...rest } = boot.inputs;
  expect(rest).toEqual({
    nodeName: "agent-1",
    machineId: "vm-of-agent-1",
    identity: "disk-of-agent-1",
    address: "127.0.0.1",
    port: 60_101,
    via: "[secret]",
    user: "homespan",
    privateKey: "[secret]",
    authKey: "[secret]",
  });
  expect(bootRevision).toMatch(/^[0-9a-f]{64}$/);
  expect(boot.deletedWith).toBe(vm(recording, "agent-1").urn);
  const texts = files as Record<string, string>;
  expect(texts["steward/node.conf"]).toContain("NODE=agent-1\nTAILNET_HOSTNAME=home-agent-1\n");
  expect(texts["firewall.nft"]).toContain("tcp dport { 22 } accept");
  expect(texts["firewall.nft"]).toMatch(/^ {4}drop$/m);
});

test("is a host as every other: joins need not know what it is", async () => {
  const [first] = (await run()).outputs as readonly Record<string, unknown>[];
  expect(first).toEqual({
    transport: {
      ...{ kind: "ssh", address: "127.0.0.1", port: 60_101, user: "homespan" },
      ...{ privateKey: machineSecrets.privateKey, hostKey: "ssh-ed25519 AAAA" },
      via: {
        ...{ address: "imac.local", port: 22, user: "admin" },
        ...{ privateKey: machineSecrets.privateKey, hostKey: "ssh-ed25519 BBBB" },
      },
    },
    identity: "disk-of-agent-1",
    tag: "tag:home-agent",
    site: "home",
    substrate: "lima",
    hostName: "home-agent-1",
    fullyQualifiedName: "home-agent-1.ci.tailnet.internal",
  });
  expect(topologyLabels("home", "lima")).toMatchObject({ "node-type": "lima", "homespan.dev/site": "home" });
});

test("on the Mac itself no other machine is on the way", async () => {
  const recording = await run({ kind: "local" });
  expect(recording.find("homespan:index:MachineBoot", "agent-1-boot").inputs).not.toHaveProperty("via");
});
