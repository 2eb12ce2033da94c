import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { FlatcarVm, type FlatcarVmArgs } from "../../components/libvirt/flatcar-vm.ts";
import { LibvirtHost } from "../../components/libvirt/libvirt-host.ts";
import { VmImage } from "../../components/libvirt/vm-image.ts";
import { bakedFiles, bootFiles } from "../../components/render/machine-files.ts";
import { largest, tailscaleArtifact } from "../render/samples-machine.ts";
import { contentOf, fileAt, parse } from "../render/samples-ignition.ts";
import { machineSecrets, prepared, secrets } from "./support/prepared.ts";
import { record, type Recording, type Registration } from "./support/recorder.ts";
import { sampleTailnet } from "./support/samples.ts";

const project = join(import.meta.dirname, "../..");
const sha256 = "c".repeat(64);
const libvirt = (kind: string): string =>
  `libvirt:index/${kind}:${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;

interface Changes extends Partial<FlatcarVmArgs> {
  readonly type?: "kvm" | "qemu";
  readonly imageSum?: string;
}

const run = ({ type = "kvm", imageSum = sha256, ...changes }: Changes = {}): Promise<
  Recording & { readonly outputs: unknown }
> =>
  record(prepared, () => {
    const host = new LibvirtHost("nas", { uri: "qemu+ssh://root@nas/system", site: "home", type });
    const image = new VmImage("flatcar", {
      urls: ["https://example.org/image"],
      sha256: imageSum,
      signatureUrls: ["https://example.org/image.sig"],
      signingKeyUrls: ["https://example.org/key.asc"],
      fingerprint: "F".repeat(40),
    });
    const vm = new FlatcarVm("agent-1", {
      clusterName: "prod",
      nodeName: "agent-1",
      role: "agent",
      host,
      image,
      vcpus: 2,
      memoryMiB: 4096,
      dataDisk: { sizeGiB: 100 },
      network: { kind: "bridge", name: "br-lan" },
      address: "192.168.1.50",
      tailnet: sampleTailnet(),
      publicKey: "ssh-rsa AAAA homespan-prod",
      privateKey: pulumi.secret(machineSecrets.privateKey),
      artifacts: [tailscaleArtifact],
      ...changes,
    });
    const { transport, identity, tag, site, substrate, publishedApi, hostName } = vm;
    return { transport, identity, tag, site, substrate, publishedApi, hostName, mac: vm.virtualMachine.mac };
  });

const below = ({ registrations }: Recording, parent: string): string[] =>
  registrations
    .filter((it) => it.parent.endsWith(parent))
    .map((it) => `${it.type} ${it.name.replaceAll(/-[0-9a-f]{12}$/g, "-SUM")}`)
    .sort();
const one = ({ ofType }: Recording, kind: string): Registration => ofType(libvirt(kind))[0]!;
const named = (recording: Recording, kind: string, ending: string): Registration =>
  recording.ofType(libvirt(kind)).find((it) => new RegExp(`^agent-1-vm-${ending}`).test(it.name))!;
/** What a machine that is made now would get. */
const ignition = (recording: Recording): string =>
  recording.find("homespan:index:FirstConfiguration", "agent-1-vm-first-configuration").inputs[
    "config"
  ] as string;

test("registers exactly the virtual machine, a key and the first contact below itself", async () => {
  const recording = await run();
  expect(below(recording, "FlatcarVm::agent-1")).toEqual([
    "homespan:index:HeadscaleKey agent-1-key",
    "homespan:index:MachineBoot agent-1-boot",
    "homespan:libvirt:VirtualMachine agent-1-vm",
  ]);
  expect(below(recording, "VirtualMachine::agent-1-vm")).toEqual([
    "homespan:index:FirstConfiguration agent-1-vm-first-configuration",
    "homespan:index:VmPlace agent-1-vm-place",
    "homespan:index:VolumeIdentity agent-1-vm-data-identity",
    "homespan:index:VolumeIdentity agent-1-vm-system-identity",
    `${libvirt("domain")} agent-1-vm-domain`,
    `${libvirt("ignition")} agent-1-vm-ignition`,
    `${libvirt("volume")} agent-1-vm-base-SUM`,
    `${libvirt("volume")} agent-1-vm-data`,
    `${libvirt("volume")} agent-1-vm-system`,
  ]);
});

test("the machine is what the arguments say, hardened, with virtio alone", async () => {
  const recording = await run();
  const { xml, ...rest } = one(recording, "domain").inputs;
  expect(rest).toEqual({
    name: "prod-agent-1",
    description: "Homespan: bridge br-lan, 192.168.1.50",
    type: "kvm",
    arch: "x86_64",
    machine: "q35",
    vcpu: 2,
    memory: 4096,
    cpu: { mode: "host-passthrough" },
    autostart: true,
    coreosIgnition: "agent-1-vm-ignition-id",
    fwCfgName: "opt/org.flatcar-linux/config",
    disks: [{ volumeId: "agent-1-vm-system-id" }, { volumeId: "agent-1-vm-data-id" }],
    networkInterfaces: [{ mac: "52:54:00:33:86:62", bridge: "br-lan" }],
  });
  const { xslt } = xml as { xslt: string };
  expect(xslt).toContain('<memtune><hard_limit unit="MiB">4672</hard_limit></memtune>');
  expect(xslt).toContain("<serial>homespan-data</serial>");
  expect(one(recording, "domain").deleteBeforeReplace).toBe(true);
});

test("without KVM QEMU imitates what it can, and needs more memory beside, and more time", async () => {
  const recording = await run({ type: "qemu" });
  const { inputs } = one(recording, "domain");
  const waits = (of: Recording): unknown =>
    of.find("homespan:index:MachineBoot", "agent-1-boot").inputs["waitSeconds"];
  expect([waits(recording), waits(await run())]).toEqual([1800, undefined]);
  expect(inputs).toMatchObject({ type: "qemu", cpu: { mode: "maximum" } });
  expect((inputs["xml"] as { xslt: string }).xslt).toContain(">5696</hard_limit>");
  const unlimited = one(await run({ memoryHardLimit: false }), "domain").inputs;
  expect((unlimited["xml"] as { xslt: string }).xslt).not.toContain("hard_limit");
});

test.each([
  [
    { kind: "network", name: "default" },
    { networkName: "default", addresses: ["192.168.1.50"] },
  ],
  [{ kind: "macvtap", name: "eth0" }, { macvtap: "eth0" }],
] as const)("is connected by %j", async (network, expected) => {
  const recording = await run({ network });
  const mac = "52:54:00:33:86:62";
  expect(one(recording, "domain").inputs["networkInterfaces"]).toEqual([{ mac, ...expected }]);
  expect(recording.find("homespan:index:VmPlace", "agent-1-vm-place").inputs).toMatchObject({
    ...{ network, mac, address: "192.168.1.50", uri: "qemu+ssh://root@nas/system", pool: "default" },
    ...{ name: "prod-agent-1", type: "kvm", memoryMiB: 4096, vcpus: 2 },
  });
});

test("nothing is made before the place is taken and the image is checked", async () => {
  const recording = await run();
  const place = recording.find("homespan:index:VmPlace", "agent-1-vm-place").urn;
  const image = recording.find("homespan:index:VmImage", "flatcar").urn;
  for (const volume of [named(recording, "volume", "base"), named(recording, "volume", "data")]) {
    expect(volume.dependencies).toEqual(expect.arrayContaining([place, image]));
  }
  expect(one(recording, "ignition").dependencies).toEqual(expect.arrayContaining([place, image]));
  expect(named(recording, "volume", "system").dependencies).toContain(named(recording, "volume", "base").urn);
});

test("the data disk is protected, outlives the machine, and is its identity", async () => {
  const recording = await run();
  const data = named(recording, "volume", "data");
  expect(data).toMatchObject({
    inputs: { name: "prod-agent-1-data.qcow2", pool: "default", size: 100 * 2 ** 30, format: "qcow2" },
    protect: true,
  });
  const boot = recording.find("homespan:index:MachineBoot", "agent-1-boot");
  expect(boot.inputs).toMatchObject({
    identity: "identity-of-prod-agent-1-data.qcow2",
    ...{ address: "192.168.1.50", user: "core", library: "/opt/homespan" },
    ...{ authKey: "[secret]", privateKey: "[secret]" },
  });
  expect(boot.deletedWith).toBe(one(recording, "domain").urn);
  expect(recording.find("homespan:index:HeadscaleKey", "agent-1-key").inputs["identity"]).toBe(
    "identity-of-prod-agent-1-data.qcow2",
  );
});

test("a device of the host's is given raw; without a data disk the machine is the identity", async () => {
  const blockDevice = "/dev/disk/by-id/ata-DISK_1";
  const block = await run({ dataDisk: { blockDevice } });
  expect(block.ofType(libvirt("volume"))).toHaveLength(2);
  expect(one(block, "domain").inputs["disks"]).toEqual([
    { volumeId: "agent-1-vm-system-id" },
    { blockDevice },
  ]);
  const boot = (recording: Recording): unknown =>
    recording.find("homespan:index:MachineBoot", "agent-1-boot").inputs["identity"];
  expect(boot(block)).toBe(`qemu+ssh://root@nas/system${blockDevice}`);
  const none = await run({ dataDisk: undefined });
  expect(boot(none)).toMatch(/^identity-of-prod-agent-1-system-[0-9a-f]{12}\.qcow2$/);
  expect((one(none, "domain").inputs["xml"] as { xslt: string }).xslt).not.toContain("homespan-data");
  expect(contentOf(fileAt(ignition(none), "/etc/homespan/machine.conf")!)).toBe("DATA_DISK=none\n");
});

test("what makes the machine anew makes it another one for who delivers to it, and its id stays", async () => {
  const made = async (changes: Changes): Promise<{ machineId: unknown; uuid: unknown }> => {
    const recording = await run(changes);
    const { uuid } = recording.find("homespan:index:VmPlace", "agent-1-vm-place").inputs;
    expect((one(recording, "domain").inputs["xml"] as { xslt: string }).xslt).toContain(
      `<uuid>${String(uuid)}</uuid>`,
    );
    return {
      machineId: recording.find("homespan:index:MachineBoot", "agent-1-boot").inputs["machineId"],
      uuid,
    };
  };
  const first = await made({});
  expect(await made({ tailnet: sampleTailnet() })).toEqual(first);
  const others: Changes[] = [
    { vcpus: 4 },
    { memoryMiB: 8192 },
    { memoryHardLimit: false },
    { publicKey: "ssh-rsa BBBB x" },
    { imageSum: "d".repeat(64) },
    { network: { kind: "bridge", name: "br-other" } },
    { address: "192.168.1.51" },
    { dataDisk: undefined },
  ];
  const ids = [first.machineId];
  for (const changes of others) {
    const { machineId, uuid } = await made(changes);
    expect(uuid).toBe(first.uuid);
    expect(ids).not.toContain(machineId);
    ids.push(machineId);
  }
});

test("another configuration, image or size is another disk and another configuration, by name", async () => {
  const names = async (changes: Changes): Promise<unknown[]> => {
    const recording = await run(changes);
    const { volumes } = recording.find("homespan:index:VmPlace", "agent-1-vm-place").inputs;
    return [...(volumes as string[]), one(recording, "ignition").inputs["name"]];
  };
  const [base, system, data, config] = await names({});
  expect([base, system, data, config]).toEqual([
    expect.stringMatching(/^prod-agent-1-base-[0-9a-f]{12}\.qcow2$/),
    expect.stringMatching(/^prod-agent-1-system-[0-9a-f]{12}\.qcow2$/),
    "prod-agent-1-data.qcow2",
    expect.stringMatching(/^prod-agent-1-[0-9a-f]{12}\.ign$/),
  ]);
  expect(await names({ vcpus: 4, memoryMiB: 8192 })).toEqual([base, system, data, config]);
  for (const changes of [{ publicKey: "ssh-rsa BBBB x" }, { systemDiskGiB: 30 }]) {
    const [otherBase, otherSystem, otherData, otherConfig] = await names(changes);
    expect([otherBase, otherData]).toEqual([base, data]);
    expect(otherSystem).not.toBe(system);
    expect(otherConfig).not.toBe(config);
  }
  const [newBase, newSystem] = await names({ imageSum: "d".repeat(64) });
  expect(newBase).not.toBe(base);
  expect(newSystem).not.toBe(system);
});

test("what can be delivered later makes no other machine, and is taken anew with the system's disk", async () => {
  const kept = async (changes: Changes): Promise<Record<string, unknown>> => {
    const recording = await run(changes);
    const found = recording.find(
      "homespan:index:FirstConfiguration",
      "agent-1-vm-first-configuration",
    ).inputs;
    // The one that was kept is what the machine is made of, and its disks are named after.
    const { content, name } = one(recording, "ignition").inputs;
    expect(content).toBe(`kept for ${String(found["keepers"])}`);
    return { ...found, name, system: named(recording, "volume", "system").inputs["name"] };
  };
  const first = await kept({});
  const other = await kept({ artifacts: [] });
  expect([other["name"], other["system"]]).toEqual([first["name"], first["system"]]);
  expect(other["keepers"]).toBe(first["keepers"]);
  // Defined anew on the disks there are, whose system has had its configuration.
  expect((await kept({ vcpus: 4, memoryMiB: 8192, address: "192.168.1.51" }))["keepers"]).toBe(
    first["keepers"],
  );
  expect(other["config"]).not.toBe(first["config"]);
  const others: Changes[] = [
    ...[{ systemDiskGiB: 30 }, { imageSum: "d".repeat(64) }, { publicKey: "ssh-rsa BBBB x" }],
    ...[{ osUpdates: "system" } as const, { dataDisk: undefined }],
  ];
  const keepers = [first["keepers"]];
  for (const changes of others) {
    const found = (await kept(changes))["keepers"];
    expect(keepers, JSON.stringify(changes)).not.toContain(found);
    keepers.push(found);
  }
});

test("the machine begins by itself, with all boot files, and downloads to where there is room", async () => {
  const text = ignition(await run({ artifacts: largest.artifacts }));
  for (const { path, source, mode } of [...bakedFiles, ...bootFiles]) {
    const file = fileAt(text, `/opt/homespan/${path}`)!;
    expect(contentOf(file), path).toBe(readFileSync(join(project, source), "utf8"));
    expect(file.mode, path).toBe(path === "boot-files" ? 0o755 : mode);
  }
  const programs = contentOf(fileAt(text, "/etc/homespan/artifacts.conf")!);
  expect(programs).toMatch(/K3S_PATH=\/opt\/bin\/k3s\n[^]*TAILSCALE_PATH=\/opt\/bin\n/);
  // Read slowly by the machine: https://coreos.github.io/ignition/supported-platforms/
  expect(text.length).toBeLessThan(80 * 1024);
  expect(parse(text).systemd?.units).toContainEqual(
    expect.objectContaining({ name: "homespan-boot.service", enabled: true }),
  );
  // Delivered: a machine that is made again on its data has them there, perhaps newer ones.
  expect(text).not.toContain("/seed/");
});

test("the first configuration lets the cluster's key in, and holds no secret and nothing of k3s", async () => {
  const text = ignition(await run());
  expect(parse(text).passwd?.users).toEqual([
    { name: "core", sshAuthorizedKeys: ["ssh-rsa AAAA homespan-prod"] },
  ]);
  expect(contentOf(fileAt(text, "/etc/hostname")!)).toBe("prod-agent-1\n");
  expect(fileAt(text, "/etc/rancher/k3s/config.yaml")).toBeUndefined();
  const paths = parse(text).storage?.files?.map(({ path }) => path) ?? [];
  expect(paths.filter((path) => /secret|key|token|node\.conf/.test(path))).toEqual([]);
});

test("no secret is in the open anywhere", async () => {
  const recording = await run();
  const files = parse(ignition(recording)).storage?.files ?? [];
  for (const { inputs, urn } of [
    ...recording.registrations,
    ...files.map((file) => ({ inputs: contentOf(file), urn: file.path })),
  ]) {
    for (const secret of [...Object.values(machineSecrets), ...Object.values(secrets)]) {
      expect(JSON.stringify(inputs), urn).not.toContain(JSON.stringify(secret).slice(1, -1));
    }
  }
});

test("is an agent at home, or a server that publishes its API in the tailnet", async () => {
  expect((await run()).outputs).toMatchObject({
    ...{ tag: "tag:prod-agent", site: "home", substrate: "flatcar", hostName: "prod-agent-1" },
    ...{ identity: "identity-of-prod-agent-1-data.qcow2", mac: "52:54:00:33:86:62" },
    publishedApi: undefined,
  });
  expect((await run({ role: "server" })).outputs).toMatchObject({
    tag: "tag:prod-server",
    publishedApi: { url: "https://prod-agent-1.ci.tailnet.internal:6443" },
  });
});

test("says all at once what no host can give", async () => {
  await expect(
    run({
      ...{ vcpus: 0, memoryMiB: 256, systemDiskGiB: 2.5, address: "192.168.1.500" },
      dataDisk: { blockDevice: "/etc/passwd" },
    }),
  ).rejects.toThrow(
    [
      "`vcpus` must be a whole number of at least 1, got 0",
      "`memoryMiB` must be a whole number of at least 512 MiB, got 256",
      "`systemDiskGiB` must be a whole number of at least 1 GiB, got 2.5",
      '`dataDisk.blockDevice` must be a path below /dev that stays the same, such as /dev/disk/by-id/..., got "/etc/passwd"',
      '`address` must be an IPv4 address, got "192.168.1.500"',
    ].join("\n"),
  );
  await expect(run({ dataDisk: { blockDevice: "/dev/../etc/passwd" } })).rejects.toThrow(/below \/dev/);
  await expect(run({ dataDisk: { sizeGiB: 0 } })).rejects.toThrow(/`dataDisk.sizeGiB` must be .* got 0/);
});
