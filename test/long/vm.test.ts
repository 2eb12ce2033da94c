/**
 * Virtual machines that a real Pulumi makes on a real libvirtd, without a system on their disks: what they are made of, what
 * is refused, what is left. Run: ./homespan test --long vm
 */
import { execa } from "execa";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type WantedOnHost, examineVmHost } from "../../cli/doctor/vm-hosts.ts";
import { domainObjections } from "../../components/render/domain-policy.ts";
import { macAddress } from "../../components/render/mac-address.ts";
import { VirshLibvirt } from "../../provider/effects/libvirt.ts";
import { runProcess } from "../../provider/effects/process.ts";
import { TestLibvirtd } from "../vm/test-libvirtd.ts";
import type { VmProgram } from "../vm/program.ts";
import { SignedImages } from "../vm/signed-images.ts";
import { VmStack } from "../vm/vm-stack.ts";

const network = "homespan-test";
const bridge = "hsvmtest0";
// Of the range for benchmarks between networks: no machine is in it.
const subnet = "198.18.77";
const machineName = "home-agent-1";

const images = new SignedImages();
const stacks: VmStack[] = [];
let libvirtd: TestLibvirtd;
let stack: VmStack;

type Machine = VmProgram["machines"][number];

beforeAll(async () => {
  const homespan = join(import.meta.dirname, "../../homespan");
  await execa(homespan, ["toolchain", "--prepare", "--group", "homelab", "--yes"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await images.start();
  await images.makeEmpty("system.qcow2", "64M");
  await images.makeEmpty("newer.qcow2", "65M");
  libvirtd = await TestLibvirtd.begin();
  await libvirtd.makeNetwork(
    network,
    `<network><name>${network}</name><bridge name='${bridge}'/><ip address='${subnet}.1' netmask='255.255.255.0'><dhcp><range start='${subnet}.100' end='${subnet}.199'/></dhcp></ip></network>`,
  );
  stack = await newStack();
});
afterAll(async () => {
  for (const one of stacks) one.remove();
  await images.stop();
  await libvirtd.stop();
});

async function newStack(): Promise<VmStack> {
  const made = new VmStack();
  stacks.push(made);
  await made.init();
  return made;
}

function machine(changes: Partial<Machine> = {}): Machine {
  return {
    resourceName: "agent-1",
    machineName,
    vcpus: 1,
    memoryMiB: 512,
    // CI's containers may not raise limits.
    memoryHardLimit: false,
    systemDiskGiB: 1,
    dataDisk: { sizeGiB: 1 },
    network: { kind: "network", name: network },
    address: `${subnet}.10`,
    ignition: '{"ignition": {"version": "3.4.0"}}',
    ...changes,
  };
}

function program(changes: Partial<Machine> = {}, image = images.request("system.qcow2")): VmProgram {
  const { uri, pool, virtualization } = libvirtd;
  return { uri, pool, virtualization, image, machines: [machine(changes)] };
}

test("an image with another sum or without its signature is refused before anything is made", async () => {
  const { urls, ...image } = images.request("system.qcow2");
  const wrong = [
    [{ ...image, urls: images.request("newer.qcow2").urls }, /`sha256` must be that of \S+newer\.qcow2, got/],
    [
      { ...image, urls, signatureUrls: urls.map((url) => `${url}.asc`) },
      /`signatureUrls` must give .*HTTP 404/,
    ],
    [
      { ...image, urls, signatureUrls: images.request("newer.qcow2").signatureUrls },
      /the image must have a signature of [0-9A-F]{40}/,
    ],
  ] as const;
  for (const [request, problem] of wrong) {
    stack.declare(program({}, request));
    const { ok, text } = await stack.up();
    expect(ok).toBe(false);
    expect(text).toMatch(problem);
    expect(await libvirtd.volumes()).toEqual([]);
    expect(await libvirtd.domains()).toEqual([]);
  }
});

test("what the host cannot give is refused before anything is made", async () => {
  stack.declare(program({ memoryMiB: 2 ** 22, network: { kind: "bridge", name: "br-none" } }));
  const { ok, text } = await stack.up();
  expect(ok).toBe(false);
  expect(text).toMatch(/`memoryMiB` must be less than the \d+ MiB of qemu\+unix:.*, got 4194304/);
  expect(text).toMatch(/`network` must be a bridge of qemu\+unix:.*, got "br-none"/);
  expect(await libvirtd.volumes()).toEqual([]);
});

test("doctor sees what this host has, and what it has not", async () => {
  const { uri, pool, virtualization } = libvirtd;
  const wanted = { name: "lab", uri, pool, type: virtualization.type };
  const look = async (changes: Partial<WantedOnHost> = {}): Promise<string[]> =>
    (
      await examineVmHost(new VirshLibvirt(runProcess), {
        ...{ ...wanted, machines: [{ vcpus: 1, memoryMiB: 512 }] },
        ...{
          networks: [
            { kind: "network", name: network },
            { kind: "bridge", name: bridge },
          ],
          ...changes,
        },
      })
    ).flatMap(({ name, result }) => (result === "ok" ? [] : [`${name} ${result}`]));
  expect(await look()).toEqual([]);
  const wrong: Partial<WantedOnHost> = {
    ...{ pool: "none", machines: [{ vcpus: 512, memoryMiB: 2 ** 22 }] },
    networks: [
      { kind: "network", name: "none" },
      { kind: "bridge", name: "br-none" },
    ],
  };
  expect(await look(wrong)).toEqual([
    ...["lab memory problem", "lab vcpus problem", "lab pool problem"],
    ...["lab network problem", "lab network problem"],
  ]);
  expect(await look({ uri: "qemu+unix:///system?socket=/nowhere" })).toEqual(["lab libvirt problem"]);
});

test("a machine runs, of nothing but what the policy allows, and another run changes nothing but the address", async () => {
  stack.declare(program());
  const first = await stack.up();
  expect(first.ok, first.text).toBe(true);
  expect(await libvirtd.virsh("domstate", machineName)).toBe("running");
  const xml = await libvirtd.virsh("dumpxml", machineName);
  expect(domainObjections(xml)).toEqual([]);
  expect(xml).toMatch(
    /<sysinfo type='fwcfg'>\s*<entry name='opt\/org\.flatcar-linux\/config' file='[^']*\.ign'\/>/,
  );
  expect(xml).toContain(`<mac address='${macAddress(machineName)}'/>`);
  expect(xml.match(/<serial>[^<]*/g)).toEqual(["<serial>homespan-system", "<serial>homespan-data"]);
  expect(await libvirtd.virsh("dominfo", machineName)).toMatch(/Autostart: +enable/);
  expect(await libvirtd.virsh("net-dumpxml", network)).toContain(`ip='${subnet}.10'`);
  // The provider's own version is written into the state with the second run.
  const second = await stack.up();
  expect(second.ok, second.text).toBe(true);
  // No system, so it never asks for the address that is reserved for it: the provider writes that down again, and nothing else.
  const third = await stack.up();
  expect(third.ok, third.text).toBe(true);
  expect(third.changes).toMatchObject({ updated: 1 });
  expect(third.text).toMatch(/libvirt:index:Domain agent-1-domain updated .*networkInterfaces/);
});

test("QEMU is given no other device, nor Ignition's configuration in words the host denies", async () => {
  const own = await qemu();
  const devices = [...own.matchAll(/-device (\{[^}]*\})/g)].map(
    ([, json = ""]) => (JSON.parse(json) as { driver: string }).driver,
  );
  expect(devices.length).toBeGreaterThan(4);
  for (const driver of devices)
    expect(driver).toMatch(/^(pcie-root-port|virtio-[a-z-]+|virtconsole|pcie-pci-bridge)$/);
  expect(own).toMatch(/-fw_cfg \S*opt\/org\.flatcar-linux\/config/);
  expect(own).toContain("-nodefaults");
});

test("another machine of the same name is refused before anything is made, and the first stays", async () => {
  const [domain, volumes] = [await libvirtd.virsh("domuuid", machineName), await libvirtd.volumes()];
  const other = await newStack();
  other.declare(program({ address: `${subnet}.11` }));
  const { ok, text } = await other.up();
  expect(ok).toBe(false);
  expect(text).toMatch(/`name` must be free on .*, got "home-agent-1", which is there and not this stack's/);
  expect(text).toMatch(/`volumes` must be free in vms of .*, got "home-agent-1-data\.qcow2"/);
  other.declare(program({ machineName: "home-agent-2" }));
  const taken = await other.up();
  expect(taken.text).toMatch(
    /`address` must be free in the network homespan-test of .*, got 198\.18\.77\.10/,
  );
  expect(await libvirtd.virsh("domuuid", machineName)).toBe(domain);
  expect(await libvirtd.volumes()).toEqual(volumes);
  expect((await other.destroy()).ok).toBe(true);
  expect(await libvirtd.volumes()).toEqual(volumes);
});

test("another first configuration is another machine on the same data, the old one first", async () => {
  const [before, process] = [await snapshot(), await qemu()];
  stack.declare(program({ ignition: '{"ignition": {"version": "3.4.0"}, "storage": {}}' }));
  const { ok, text } = await stack.up();
  expect(ok, text).toBe(true);
  expect(text).toMatch(/libvirt:index:Domain agent-1-domain (deleting|deleted) original/);
  const after = await snapshot();
  expect(await qemu()).not.toBe(process);
  expect(after.domain).toBe(before.domain);
  expect(after.data).toBe(before.data);
  expect(after.volumes).toHaveLength(before.volumes.length);
  expect(after.volumes.filter((name) => before.volumes.includes(name))).toEqual([
    expect.stringMatching(/^home-agent-1-base-/),
    "home-agent-1-data.qcow2",
  ]);
});

test("another image or size is another machine on the same data", async () => {
  const [before, process] = [await snapshot(), await qemu()];
  stack.declare(program({ memoryMiB: 640 }, images.request("newer.qcow2")));
  const { ok, text } = await stack.up();
  expect(ok, text).toBe(true);
  const after = await snapshot();
  expect(await qemu()).not.toBe(process);
  expect(after.data).toBe(before.data);
  expect(await libvirtd.virsh("dominfo", machineName)).toMatch(/Max memory: +655360 KiB/);
  expect(domainObjections(await libvirtd.virsh("dumpxml", machineName))).toEqual([]);
});

test("its host reached by another URI is the same host: nothing is made anew", async () => {
  const [before, process] = [await snapshot(), await qemu()];
  const alias = join(libvirtd.folder, "another-way");
  const [driver, socket = ""] = libvirtd.uri.split("socket=");
  symlinkSync(socket, alias);
  const declared = program({ memoryMiB: 640 }, images.request("newer.qcow2"));
  stack.declare({ ...declared, uri: `${driver ?? ""}socket=${alias}` });
  const { ok, text, changes } = await stack.up();
  expect(ok, text).toBe(true);
  expect(Object.keys(changes).sort(), text).toEqual(["unchanged", "updated"]);
  expect(await snapshot()).toEqual(before);
  expect(await qemu()).toBe(process);
});

test("a machine that was stopped or removed by hand comes back on its data", async () => {
  const before = await snapshot();
  await libvirtd.virsh("destroy", machineName);
  expect((await stack.up()).ok).toBe(true);
  expect(await libvirtd.virsh("domstate", machineName)).toBe("running");
  await libvirtd.virsh("destroy", machineName);
  await libvirtd.virsh("undefine", machineName);
  expect((await stack.up()).ok).toBe(true);
  expect(await libvirtd.virsh("domstate", machineName)).toBe("running");
  expect((await snapshot()).data).toBe(before.data);
});

test("a machine that libvirt takes and cannot start is no obstacle: not for the next run, not for a destroy", async () => {
  const other = await newStack();
  const good = program({ machineName: "home-agent-3", address: `${subnet}.13`, dataDisk: undefined });
  // libvirt looks at names of features when it starts a machine.
  const bad = {
    ...good,
    virtualization: { ...good.virtualization, hiddenCpuFeatures: ["no-such-feature"] },
  };
  const fails = async (): Promise<void> => {
    other.declare(bad);
    const { ok, text } = await other.up();
    expect(ok).toBe(false);
    expect(text).toMatch(/error creating libvirt domain/);
    expect(await libvirtd.virsh("domstate", "home-agent-3")).toBe("shut off");
  };
  await fails();
  other.declare(good);
  const mended = await other.up();
  expect(mended.ok, mended.text).toBe(true);
  expect(await libvirtd.virsh("domstate", "home-agent-3")).toBe("running");
  expect((await other.destroy()).ok).toBe(true);
  await fails();
  const gone = await other.destroy();
  expect(gone.ok, gone.text).toBe(true);
  expect(await libvirtd.domains()).not.toContain("home-agent-3");
  expect((await libvirtd.volumes()).filter((name) => name.includes("home-agent-3"))).toEqual([]);
});

test("the data disk is not destroyed until it is no longer protected; then nothing is left", async () => {
  const refused = await stack.destroy();
  expect(refused.ok).toBe(false);
  expect(refused.text).toMatch(/agent-1-data.*cannot be deleted|protect/);
  expect(await libvirtd.volumes()).toContain("home-agent-1-data.qcow2");
  expect((await stack.run("state", "unprotect", "--all", "--yes", "--stack=test")).ok).toBe(true);
  const gone = await stack.destroy();
  expect(gone.ok, gone.text).toBe(true);
  expect(await libvirtd.domains()).toEqual([]);
  expect(await libvirtd.volumes()).toEqual([]);
  expect(await libvirtd.virsh("net-dumpxml", network)).not.toContain("<host ");
});

/** Its process, with its number. */
async function qemu(): Promise<string> {
  const { stdout } = await execa("ps", ["-C", "qemu-system-x86_64", "-o", "pid=,args=", "-ww"]);
  return stdout.split("\n").find((line) => line.includes(`guest=${machineName},`)) ?? "";
}

async function snapshot(): Promise<{ domain: string; data: string; volumes: readonly string[] }> {
  const data = await libvirtd.virsh("vol-dumpxml", "--pool", libvirtd.pool, "home-agent-1-data.qcow2");
  return {
    domain: await libvirtd.virsh("domuuid", machineName),
    data: /<btime>([^<]*)/.exec(data)?.[1] ?? "",
    volumes: await libvirtd.volumes(),
  };
}
