import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { ExistingHost, type ExistingHostArgs } from "../../components/existing/host.ts";
import { tailscaleArtifact } from "../render/samples-machine.ts";
import { machineSecrets, prepared } from "./support/prepared.ts";
import { record, type Recording, type Registration } from "./support/recorder.ts";
import { sampleTailnet } from "./support/samples.ts";

const run = (changes: Partial<ExistingHostArgs> = {}): Promise<Recording & { readonly outputs: unknown }> =>
  record(prepared, () => {
    const host = new ExistingHost("pi", {
      clusterName: "prod",
      nodeName: "pi",
      site: "home",
      address: "192.168.1.20",
      user: "pi",
      tailnet: sampleTailnet(),
      publicKey: "ssh-rsa AAAA homespan-prod",
      privateKey: pulumi.secret(machineSecrets.privateKey),
      artifacts: [tailscaleArtifact],
      ...changes,
    });
    const { transport, identity, tag, site, substrate, hostName } = host;
    return { transport, identity, tag, site, substrate, hostName };
  });

const own = ({ registrations }: Recording): Registration[] =>
  registrations.filter((it) => it.parent.endsWith("homespan:existing:ExistingHost::pi"));
const machine = (recording: Recording): Registration =>
  recording.find("homespan:index:ExistingMachine", "pi-machine");
const boot = (recording: Recording): Registration => recording.find("homespan:index:MachineBoot", "pi-boot");
const rules = (recording: Recording): string =>
  (boot(recording).inputs["files"] as Record<string, string>)["firewall.nft"] ?? "";

test("registers exactly the machine, its key and the first delivery below itself", async () => {
  expect(
    own(await run())
      .map((it) => `${it.type} ${it.name}`)
      .sort(),
  ).toEqual([
    "homespan:index:ExistingMachine pi-machine",
    "homespan:index:HeadscaleKey pi-key",
    "homespan:index:MachineBoot pi-boot",
  ]);
});

test("the machine is looked at where the configuration says, and let the cluster's key in", async () => {
  const recording = await run({ port: 2222, hostKey: "ssh-ed25519 BBBB" });
  const { setup, ...rest } = machine(recording).inputs;
  expect(rest).toEqual({
    clusterName: "prod",
    nodeName: "pi",
    address: "192.168.1.20",
    port: 2222,
    user: "pi",
    hostKey: "ssh-ed25519 BBBB",
    publicKey: "ssh-rsa AAAA homespan-prod",
    privateKey: "[secret]",
  });
  expect(machine(recording).secretOutputs).toContain("privateKey");
  expect(setup).toMatch(/^#!\/bin\/sh\n/);
  expect(setup).toContain("put 0755 /usr/lib/homespan/leave <<'END'");
});

test("what comes first closes the cluster's ports alone, whatever comes later", async () => {
  for (const firewall of ["cluster", "closed"] as const) {
    const setup = String(machine(await run({ firewall })).inputs["setup"]);
    expect(setup).toContain("th dport { 2379, 2380, 6443, 8472, 10250 } drop");
    expect(setup).not.toMatch(/^ {4}drop$/m);
  }
});

test("the delivery insists on the key of the first contact, and tells this data from another's", async () => {
  const { inputs } = boot(await run());
  const { files, bootRevision, ...rest } = inputs;
  expect(rest).toEqual({
    nodeName: "pi",
    machineId: "mark-of-pi.machine-1",
    identity: "mark-of-pi",
    address: "192.168.1.20",
    port: 22,
    user: "pi",
    privateKey: "[secret]",
    knownHostKey: "ssh-ed25519 AAAA",
    authKey: "[secret]",
  });
  expect(bootRevision).toMatch(/^[0-9a-f]{64}$/);
  expect((files as Record<string, string>)["steward/node.conf"]).toBe(
    "NODE=pi\nTAILNET_HOSTNAME=prod-pi\nLOGIN_SERVER=https://control.homespan-ci.internal\n",
  );
});

test("by default its own firewall decides about all but the cluster's ports", async () => {
  const text = rules(await run());
  expect(text).toContain("th dport { 2379, 2380, 6443, 8472, 10250 } drop");
  expect(text).not.toMatch(/^ {4}drop$/m);
});

test("closed, it lets SSH in on the ports that sshd listens on, whichever port leads there", async () => {
  const text = rules(await run({ firewall: "closed", port: 2222 }));
  expect(text).toContain("tcp dport { 2022 } accept");
  expect(text).toMatch(/^ {4}drop$/m);
});

test("is a host as every other, of the substrate existing, and the data's mark is its identity", async () => {
  expect((await run()).outputs).toEqual({
    transport: {
      kind: "ssh",
      address: "192.168.1.20",
      port: 22,
      user: "pi",
      privateKey: machineSecrets.privateKey,
      hostKey: "ssh-ed25519 AAAA",
    },
    identity: "mark-of-pi",
    tag: "tag:prod-agent",
    site: "home",
    substrate: "existing",
    hostName: "prod-pi",
  });
});
