import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { CoreosHost, type CoreosHostArgs } from "../../components/coreos/coreos-host.ts";
import { machineArtifacts } from "../../stacks/artifacts.ts";
import { contentOf, fileAt, parse } from "../render/samples-ignition.ts";
import { machineSecrets, prepared, secrets } from "./support/prepared.ts";
import { record, type Recording, type Registration } from "./support/recorder.ts";
import { sampleTailnet } from "./support/samples.ts";

const publicKey = "ssh-rsa AAAA homespan-prod";

const run = (changes: Partial<CoreosHostArgs> = {}): Promise<Recording & { readonly outputs: unknown }> =>
  record(prepared, () => {
    const host = new CoreosHost("metal-1", {
      clusterName: "prod",
      nodeName: "metal-1",
      role: "agent",
      site: "home",
      address: "192.168.1.60",
      tailnet: sampleTailnet(),
      publicKey,
      privateKey: pulumi.secret(machineSecrets.privateKey),
      artifacts: machineArtifacts("v1.35.1+k3s1", undefined),
      ...changes,
    });
    const { identity, tag, site, substrate, hostName, paths, publishedApi, firstConfiguration } = host;
    return { identity, tag, site, substrate, hostName, paths, publishedApi, firstConfiguration };
  });

const own = ({ registrations }: Recording): Registration[] =>
  registrations.filter((it) => it.parent.endsWith("homespan:coreos:CoreosHost::metal-1"));
const machine = (recording: Recording): Registration =>
  recording.find("homespan:index:InstalledMachine", "metal-1-machine");
const boot = (recording: Recording): Registration =>
  recording.find("homespan:index:MachineBoot", "metal-1-boot");
const configuration = (recording: Recording): string =>
  String(machine(recording).inputs["firstConfiguration"]);

test("registers exactly the machine, its key and the first delivery below itself", async () => {
  expect(
    own(await run())
      .map((it) => `${it.type} ${it.name}`)
      .sort(),
  ).toEqual([
    "homespan:index:HeadscaleKey metal-1-key",
    "homespan:index:InstalledMachine metal-1-machine",
    "homespan:index:MachineBoot metal-1-boot",
  ]);
});

test("the machine is waited for where the configuration says, with Fedora CoreOS's own places", async () => {
  const recording = await run({ port: 2222, hostKey: "ssh-ed25519 BBBB", device: "/dev/disk/by-id/nvme-1" });
  const { firstConfiguration: _, ...rest } = machine(recording).inputs;
  expect(rest).toEqual({
    ...{ clusterName: "prod", nodeName: "metal-1", address: "192.168.1.60", port: 2222, user: "core" },
    ...{ hostKey: "ssh-ed25519 BBBB", device: "/dev/disk/by-id/nvme-1", privateKey: "[secret]" },
    ...{ library: "/usr/local/libexec/homespan", data: "/var/lib/homespan/data" },
  });
  expect(machine(recording).secretOutputs).toContain("privateKey");
});

test("its first configuration has its name, the cluster's key, k3s by its sum, and no secret", async () => {
  const recording = await run();
  const text = configuration(recording);
  expect(contentOf(fileAt(text, "/etc/hostname")!)).toBe("prod-metal-1\n");
  expect(parse(text).passwd?.users).toEqual([{ name: "core", sshAuthorizedKeys: [publicKey] }]);
  const k3s = fileAt(text, "/usr/local/bin/k3s");
  expect(k3s?.overwrite).toBe(true);
  expect(k3s?.contents.verification?.hash).toMatch(/^sha256-[0-9a-f]{64}$/);
  for (const secret of [...Object.values(secrets), ...Object.values(machineSecrets)]) {
    expect(text).not.toContain(JSON.stringify(secret).slice(1, -1));
  }
  expect(
    parse(text)
      .storage?.files?.map(({ path }) => path)
      .filter((path) => /seed|secrets|node\.conf/.test(path)),
  ).toEqual([]);
  expect(recording.outputs).toMatchObject({ firstConfiguration: text });
});

test("what is delivered later does not change it: boot files, Tailscale, the tailnet's CA", async () => {
  const text = configuration(await run());
  expect(text).not.toMatch(/sequence\.sh|pkgs\.tailscale|BEGIN CERTIFICATE/);
  const { files } = boot(await run()).inputs;
  expect(Object.keys(files as object).sort()).toEqual([
    ...["artifacts.conf", "boot/ca.pem", "firewall.nft", "steward/node.conf"],
  ]);
  const { "artifacts.conf": artifacts = "" } = files as Record<string, string>;
  expect(artifacts).toContain("K3S_PATH=/usr/local/bin/k3s\n");
  expect(artifacts).toContain("TAILSCALE_PATH=/usr/local/bin\n");
});

test("the delivery insists on the key of the first contact, and tells one installation from the next", async () => {
  const { files: _, bootRevision, ...rest } = boot(await run()).inputs;
  expect(rest).toEqual({
    ...{ nodeName: "metal-1", machineId: "mark-of-metal-1.installation-1", identity: "mark-of-metal-1" },
    ...{ address: "192.168.1.60", port: 22, user: "core", library: "/usr/local/libexec/homespan" },
    ...{ privateKey: "[secret]", knownHostKey: "ssh-ed25519 AAAA", authKey: "[secret]" },
  });
  expect(bootRevision).toMatch(/^[0-9a-f]{64}$/);
});

test("from outside of the tailnet SSH alone is reached", async () => {
  const { files } = boot(await run({ port: 2222 })).inputs;
  const { "firewall.nft": rules = "" } = files as Record<string, string>;
  expect(rules).toContain("tcp dport { 22 } accept");
  expect(rules).toMatch(/^ {4}drop$/m);
  expect(contentOf(fileAt(configuration(await run()), "/etc/homespan/firewall.nft")!)).toBe(rules);
});

test("is a host as every other, whose join finds the node's data in /var", async () => {
  expect((await run()).outputs).toMatchObject({
    ...{ identity: "mark-of-metal-1", tag: "tag:prod-agent", site: "home", substrate: "coreos" },
    hostName: "prod-metal-1",
    paths: { secretsSeen: "/var/lib/homespan/data/secrets" },
    publishedApi: undefined,
  });
  expect((await run({ role: "server" })).outputs).toMatchObject({
    tag: "tag:prod-server",
    publishedApi: { port: 6443 },
  });
});

test("a release of k3s without a known sum is refused before anything is registered", async () => {
  await expect(run({ artifacts: machineArtifacts("v1.0.0+k3s1", undefined) })).rejects.toThrow(
    "`artifacts` must have k3s for amd64 with its sum, got none",
  );
});
