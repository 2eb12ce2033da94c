import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { LightsailServer, type LightsailServerArgs } from "../../components/lightsail/lightsail-server.ts";
import { tailscaleArtifact } from "../render/samples-machine.ts";
import { machineSecrets, prepared, secrets } from "./support/prepared.ts";
import { record, type Recording, type Registration } from "./support/recorder.ts";
import { sampleTailnet } from "./support/samples.ts";

const lightsail = (kind: string): string =>
  `aws:lightsail/${kind}:${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;

const run = (
  changes: Partial<LightsailServerArgs> = {},
): Promise<Recording & { readonly outputs: unknown }> =>
  record(prepared, () => {
    const server = new LightsailServer("server-1", {
      clusterName: "prod",
      nodeName: "server-1",
      role: "server",
      region: "eu-central-1",
      availabilityZone: "eu-central-1a",
      bundleId: "medium_3_0",
      blueprintId: "debian_12",
      tailnet: sampleTailnet(),
      keyPairName: "prod-key",
      privateKey: pulumi.secret(machineSecrets.privateKey),
      artifacts: [tailscaleArtifact],
      open: { sshCidrs: ["203.0.113.0/24"], ingress: false, extraPorts: [] },
      ...changes,
    });
    const { transport, identity, tag, externalAddress, publishedApi, site, substrate } = server;
    const name = server.fullyQualifiedName;
    return { transport, identity, tag, externalAddress, publishedApi, site, substrate, name };
  });

const own = ({ registrations }: Recording): Registration[] =>
  registrations.filter((it) => it.parent.endsWith("homespan:lightsail:LightsailServer::server-1"));

const files = (recording: Recording): Record<string, string> =>
  recording.find("homespan:index:MachineBoot", "server-1-boot").inputs["files"] as Record<string, string>;

test("registers exactly an instance with address and firewall, a key and the first contact below itself", async () => {
  // Which of two that wait for the same is first is left open.
  expect(
    own(await run())
      .map((it) => `${it.type} ${it.name}`)
      .sort(),
  ).toEqual([
    `${lightsail("instance")} server-1-instance`,
    `${lightsail("instancePublicPorts")} server-1-ports`,
    `${lightsail("staticIp")} server-1-address`,
    `${lightsail("staticIpAttachment")} server-1-address-attachment`,
    "homespan:index:HeadscaleKey server-1-key",
    "homespan:index:MachineBoot server-1-boot",
  ]);
});

test("with a disk two more, and the disk is protected", async () => {
  const recording = await run({ diskGiB: 64 });
  expect(own(recording)).toHaveLength(8);
  expect(recording.find(lightsail("disk"), "server-1-disk")).toMatchObject({
    inputs: {
      name: "prod-server-1-data",
      sizeInGb: 64,
      availabilityZone: "eu-central-1a",
      tags: { "homespan.cluster": "prod", "homespan.node": "server-1" },
    },
    protect: true,
  });
  expect(
    recording.find("aws:lightsail/disk_attachment:Disk_attachment", "server-1-disk-attachment").inputs,
  ).toEqual({
    diskName: "prod-server-1-data",
    instanceName: "prod-server-1",
    diskPath: "/dev/xvdf",
  });
});

test("the instance is what the configuration says, with an IPv4 address alone", async () => {
  const { find } = await run();
  const { inputs } = find(lightsail("instance"), "server-1-instance");
  const { userData, ...rest } = inputs;
  expect(rest).toEqual({
    name: "prod-server-1",
    availabilityZone: "eu-central-1a",
    bundleId: "medium_3_0",
    blueprintId: "debian_12",
    keyPairName: "prod-key",
    ipAddressType: "ipv4",
    tags: { "homespan.cluster": "prod", "homespan.node": "server-1" },
  });
  expect(userData).toMatch(/^#!\/bin\/sh\n/);
});

test("snapshots of the whole instance are taken where an hour is given", async () => {
  const { find } = await run({ snapshotTime: "03:00" });
  expect(find(lightsail("instance"), "server-1-instance").inputs["addOn"]).toEqual({
    type: "AutoSnapshot",
    snapshotTime: "03:00",
    status: "Enabled",
  });
});

test("user-data is the same for every node, and changes with the disk alone", async () => {
  const text = async (changes: Partial<LightsailServerArgs>): Promise<unknown> =>
    (await run(changes)).find(lightsail("instance"), "server-1-instance").inputs["userData"];
  const first = await text({});
  expect(
    await text({
      clusterName: "other",
      nodeName: "agent-7",
      role: "agent",
      artifacts: [],
      bundleId: "large_3_0",
      open: {
        sshCidrs: ["198.51.100.7/32"],
        ingress: true,
        extraPorts: [{ protocol: "udp", fromPort: 53, toPort: 53, cidrs: ["0.0.0.0/0"] }],
      },
    }),
  ).toBe(first);
  expect(String(first)).toContain("DATA_DISK=none\n");
  expect(await text({ diskGiB: 64 })).toBe(String(first).replace("DATA_DISK=none", "DATA_DISK=wanted"));
});

test("no secret is in the open anywhere", async () => {
  const recording = await run({ diskGiB: 64 });
  for (const { inputs, urn } of recording.registrations) {
    for (const secret of [...Object.values(machineSecrets), ...Object.values(secrets)]) {
      expect(JSON.stringify(inputs), urn).not.toContain(JSON.stringify(secret).slice(1, -1));
    }
  }
  const boot = recording.find("homespan:index:MachineBoot", "server-1-boot");
  expect(boot.inputs).toMatchObject({ authKey: "[secret]", privateKey: "[secret]" });
  expect(boot.secretOutputs).toEqual(["privateKey", "authKey", "transport"]);
});

test("the first contact waits for address, firewall, disk and policy, and goes with the instance", async () => {
  const { find } = await run({ diskGiB: 64 });
  const boot = find("homespan:index:MachineBoot", "server-1-boot");
  const waits = [
    [lightsail("staticIpAttachment"), "server-1-address-attachment"],
    [lightsail("instancePublicPorts"), "server-1-ports"],
    ["aws:lightsail/disk_attachment:Disk_attachment", "server-1-disk-attachment"],
    ["homespan:index:HeadscaleServer", "control"],
  ] as const;
  for (const [type, name] of waits) expect(boot.dependencies).toContain(find(type, name).urn);
  expect(boot.deletedWith).toBe(find(lightsail("instance"), "server-1-instance").urn);
});

test("without a disk the instance is the identity, with one the disk; the machine is the instance either way", async () => {
  const ids = async (changes: Partial<LightsailServerArgs>): Promise<unknown[]> => {
    const { find, outputs } = await run(changes);
    const { machineId, identity } = find("homespan:index:MachineBoot", "server-1-boot").inputs;
    const key = find("homespan:index:HeadscaleKey", "server-1-key").inputs["identity"];
    return [machineId, identity, key, (outputs as { identity: string }).identity];
  };
  const [instance, disk] = ["arn:instance/prod-server-1", "arn:disk/prod-server-1-data"];
  expect(await ids({})).toEqual([instance, instance, instance, instance]);
  expect(await ids({ diskGiB: 64 })).toEqual([instance, disk, disk, disk]);
});

test("the machine is reached as its blueprint's user on its static address, with the delivered files", async () => {
  const recording = await run({ blueprintId: "ubuntu_24_04" });
  const { inputs } = recording.find("homespan:index:MachineBoot", "server-1-boot");
  expect(inputs).toMatchObject({ nodeName: "server-1", address: "198.51.100.11", port: 22, user: "ubuntu" });
  expect(inputs["bootRevision"]).toMatch(/^[0-9a-f]{64}$/);
  expect(Object.keys(files(recording)).sort()).toEqual([
    "artifacts.conf",
    "boot/ca.pem",
    "firewall.nft",
    "steward/node.conf",
  ]);
  expect(files(recording)["steward/node.conf"]).toBe(
    "NODE=server-1\nTAILNET_HOSTNAME=prod-server-1\nLOGIN_SERVER=https://control.homespan-ci.internal\n",
  );
  expect(files(recording)["artifacts.conf"]).toContain("TAILSCALE_AMD64_URL=");
});

test("is a host whose API answers in the tailnet alone", async () => {
  expect((await run()).outputs).toEqual({
    transport: {
      kind: "ssh",
      address: "198.51.100.11",
      port: 22,
      user: "admin",
      privateKey: machineSecrets.privateKey,
      hostKey: "ssh-ed25519 AAAA",
    },
    identity: "arn:instance/prod-server-1",
    tag: "tag:prod-server",
    externalAddress: "198.51.100.11",
    publishedApi: {
      address: "prod-server-1.ci.tailnet.internal",
      port: 6443,
      url: "https://prod-server-1.ci.tailnet.internal:6443",
    },
    site: "eu-central-1",
    substrate: "lightsail",
    name: "prod-server-1.ci.tailnet.internal",
  });
  expect((await run({ role: "agent" })).outputs).toMatchObject({
    publishedApi: undefined,
    tag: "tag:prod-agent",
  });
});

test("what has a name of its own is deleted before the next one gets it, and closed ports do not close new ones", async () => {
  const fixed = own(await run({ diskGiB: 64 })).filter((it) => it.type.startsWith("aws:"));
  expect(fixed).toHaveLength(6);
  for (const it of fixed) expect(it.deleteBeforeReplace, it.urn).toBe(true);
});

const ssh = { protocol: "tcp", fromPort: 22, toPort: 22, cidrs: ["203.0.113.0/24", "198.51.100.7/32"] };
const tailscale = { protocol: "udp", fromPort: 41641, toPort: 41641, cidrs: ["0.0.0.0/0"] };
const web = [80, 443].map((port) => ({
  protocol: "tcp",
  fromPort: port,
  toPort: port,
  cidrs: ["0.0.0.0/0"],
}));
const extra = { protocol: "tcp", fromPort: 30000, toPort: 30010, cidrs: ["203.0.113.0/24"] } as const;

test.each([
  ["a server", { role: "server", ingress: false }, [ssh, tailscale]],
  ["a server with ingress", { role: "server", ingress: true }, [ssh, tailscale, ...web]],
  ["an agent beside it", { role: "agent", ingress: true }, [ssh, tailscale]],
] as const)("the public firewall of %s opens exactly this", async (_who, { role, ingress }, expected) => {
  const open = { sshCidrs: ssh.cidrs, ingress, extraPorts: [extra] };
  const recording = await run({ role, open });
  const ports = recording.find(lightsail("instancePublicPorts"), "server-1-ports");
  expect(ports.inputs).toEqual({ instanceName: "prod-server-1", portInfos: [...expected, extra] });

  // What the cloud lets through is what the machine itself lets in.
  const rules = files(recording)["firewall.nft"] ?? "";
  expect(rules.includes("tcp dport { 80, 443 } accept")).toBe(expected.length > 2);
  expect(
    rules.match(/ct original proto-dst 30000-30010 ip saddr \{ 203\.0\.113\.0\/24 \} accept/g),
  ).toHaveLength(2);
});

test("what Lightsail undoes with the instance is not undone where that is gone; a disk is detached from one that stopped", async () => {
  const { find } = await run({ diskGiB: 64 });
  const instance = find(lightsail("instance"), "server-1-instance").urn;
  expect(find(lightsail("staticIpAttachment"), "server-1-address-attachment").deletedWith).toBe(instance);
  expect(find(lightsail("instancePublicPorts"), "server-1-ports").deletedWith).toBe(instance);
  const attachment = find("aws:lightsail/disk_attachment:Disk_attachment", "server-1-disk-attachment");
  expect(attachment.deletedWith).toBe("");
});
