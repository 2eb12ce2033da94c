/** The libvirt at home over a Podman in memory and a libvirtd that only listens: addresses, router, what is left, its end. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { macAddress } from "../../../components/render/mac-address.ts";
import { withMachines } from "../../../rehearsal/libvirt/book.ts";
import {
  type HomeParts,
  type LibvirtOrder,
  endEmptyLibvirt,
  endLibvirt,
  leftInLibvirt,
  libvirtArtifacts,
  startLibvirt,
  wakeLibvirt,
} from "../../../rehearsal/libvirt/home-libvirt.ts";
import { libvirtGuests } from "../../../rehearsal/libvirt/guests.ts";
import { Rehearsal } from "../../../rehearsal/rehearsal.ts";
import { removeWorld } from "../../../rehearsal/world.ts";
import { FakeWorld } from "../machines/fake-world.ts";

const router = "homespan-trial-router";
const image = {
  ...{ store: "/cache/vm-guest", version: "0a1b", sha256: "5".repeat(64) },
  fingerprint: "A".repeat(40),
};
const order: LibvirtOrder = {
  pools: ["default"],
  machines: { "lightsail-vm-1": "vm-1", "lightsail-vm-2": "vm-2" },
};
let world: FakeWorld;
let told: string[];
let found: Awaited<ReturnType<HomeParts["virtualization"]>>;

const host = (): HomeParts => ({
  effects: world.effects,
  virtualization: () => Promise.resolve(found),
  libvirtd: () => ({
    uri: "qemu+unix:///system?socket=/s",
    start: async (type) => void told.push(`start ${type}`),
    ensurePool: async (name) => void told.push(`pool ${name}`),
    end: async () => void told.push("end"),
  }),
});
const start = (given = order, of = image) => startLibvirt(world.folder, given, of, host());
const dhcp = (): string => readFileSync(join(world.folder, "libvirt/router/udhcpd.conf"), "utf8");
const runs = (): string[] => world.podman.commands.filter((command) => command.startsWith("run "));

beforeEach(async () => {
  world = new FakeWorld();
  told = [];
  found = { type: "qemu", hiddenCpuFeatures: [] };
  const caFile = join(world.base, "ca.pem");
  const archives = join(world.base, "images");
  mkdirSync(archives);
  for (const name of ["pause.tar", "busybox.tar", "digests.json"]) writeFileSync(join(archives, name), "");
  writeFileSync(caFile, "PEM\n");
  await world.make({ caFile, imagesDirectory: archives, hosts: { "b.example": "10.1.0.2" } });
});
afterEach(() => {
  world.remove();
});

test("a machine's address follows from its place in the book, and is reserved for it", async () => {
  const home = await start();
  const { subnet } = world.podman.networks.get("homespan-trial-home")!;
  const prefix = subnet.replace(/\.0\/24$/, "");
  expect(home).toMatchObject({
    ...{ uri: "qemu+unix:///system?socket=/s", type: "qemu", bridge: "podman7" },
    image: { sha256: image.sha256, mirror: `http://${prefix}.254/flatcar/0a1b` },
    addresses: { "vm-1": `${prefix}.253`, "vm-2": `${prefix}.252` },
  });
  expect(dhcp()).toBe(
    [
      "interface eth0",
      `start ${prefix}.200`,
      `end ${prefix}.209`,
      "lease_file /tmp/leases",
      "pidfile /tmp/udhcpd.pid",
      "opt subnet 255.255.255.0",
      `opt router ${prefix}.1`,
      "opt lease 864000",
      ...[
        [macAddress("lightsail-vm-1"), `${prefix}.253`],
        [macAddress("lightsail-vm-2"), `${prefix}.252`],
      ]
        .sort()
        .map((entry) => `static_lease ${entry.join(" ")}`),
      "",
    ].join("\n"),
  );
  // Another stack's machine comes after; who is there keeps what it has.
  const more = await start({ pools: ["fast"], machines: { "lightsail-vm-3": "vm-3" } });
  expect(more.addresses).toEqual({ "vm-3": `${prefix}.251` });
  expect(dhcp().match(/^static_lease/gm)).toHaveLength(3);
  expect((await start()).addresses).toEqual(home.addresses);
  expect([...(await libvirtGuests(world.folder))]).toEqual([
    ["vm-1", "lightsail-vm-1"],
    ["vm-2", "lightsail-vm-2"],
    ["vm-3", "lightsail-vm-3"],
  ]);
});

test("there are no more addresses than there are", () => {
  const names = Array.from({ length: 45 }, (_, index) => [`vm-${index}`, `vm-${index}`] as const);
  expect(() => withMachines({}, Object.fromEntries(names))).toThrow(
    "a rehearsal has 44 addresses for virtual machines, and all are taken",
  );
});

test("the router is there before libvirt, with what machines of this world know", async () => {
  await start();
  expect(told).toEqual(["start qemu", "pool default"]);
  const [run = ""] = runs();
  for (const part of [
    `--name=${router}`,
    "--network=homespan-trial-home:ip=",
    ",mac=02:00:",
    ",interface_name=eth0",
    "--network=homespan-trial-cloud:",
    "--volume=/cache/vm-guest:/srv/flatcar:ro",
    `--volume=${world.base}/images:/srv/images:ro`,
    `--volume=${world.folder}/libvirt/world:/srv/world:ro`,
  ]) {
    expect(run).toContain(part);
  }
  const fact = (name: string): string => readFileSync(join(world.folder, "libvirt/world", name), "utf8");
  expect(fact("certificates")).toBe("PEM\n");
  expect(fact("hosts")).toBe("10.1.0.2 b.example\n");
  expect(fact("images")).toBe("busybox.tar\npause.tar\n");
  expect(world.firewall.tables.get("homespan_trial_home")).toContain("drop");
});

test("a router that runs is told of new machines, and made anew where it must be another", async () => {
  await start();
  await start();
  expect(runs()).toHaveLength(1);
  expect(world.podman.commands.some((command) => command.startsWith("restart"))).toBe(false);
  await start({ pools: [], machines: { "home-vm-9": "vm-9" } });
  expect(world.podman.commands.at(-2)).toBe(`restart --time=1 ${router}`);
  await start(order, { ...image, store: "/elsewhere" });
  expect(runs()).toHaveLength(2);
});

test("what a restart of this machine took comes back as it was", async () => {
  await start();
  world.podman.containers.get(router)!.running = false;
  told = [];
  await wakeLibvirt(world.folder, host());
  expect(world.podman.containers.get(router)?.running).toBe(true);
  expect(told).toEqual(["start qemu", "pool default"]);
});

test("where KVM needs something hidden QEMU alone is taken, as no configuration says what", async () => {
  found = { type: "kvm", hiddenCpuFeatures: ["arch-capabilities"] };
  expect((await start()).type).toBe("qemu");
});

test("where nothing was ordered nothing is woken, left or ended", async () => {
  await wakeLibvirt(world.folder, host());
  expect(await leftInLibvirt(world.folder)).toEqual([]);
  await endLibvirt(world.folder, host());
  expect(told).toEqual([]);
  expect(await libvirtArtifacts(world.folder, "/mirror.json")).toBe("/mirror.json");
});

test("programs are the mirror's, and images are signed by the rehearsal's key", async () => {
  await start();
  const mirror = join(world.base, "mirror.json");
  writeFileSync(mirror, '{"k3s":{}}');
  for (const file of [mirror, mirror]) {
    const made = await libvirtArtifacts(world.folder, file);
    expect(JSON.parse(readFileSync(made, "utf8"))).toEqual({
      k3s: {},
      flatcar: { fingerprint: image.fingerprint },
    });
  }
});

test("tells what is left in it, whether it runs or not, and goes when that is nothing", async () => {
  await start();
  const definitions = join(world.folder, "libvirt/daemon/etc/qemu");
  const pool = join(world.folder, "libvirt/daemon/var/images/default");
  for (const folder of [join(definitions, "autostart"), pool]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(definitions, "lightsail-vm-1.xml"), "");
  writeFileSync(join(pool, "lightsail-vm-1-data.qcow2"), "");
  expect(await leftInLibvirt(world.folder)).toEqual([
    { kind: "virtual machine", name: "lightsail-vm-1" },
    { kind: "volume", name: "lightsail-vm-1-data.qcow2" },
  ]);
  expect(await new Rehearsal(world.folder, "trial").leftAtHome(new Set(["lightsail-vm-1"]))).toEqual([
    "virtual machine lightsail-vm-1 on libvirt",
  ]);
  await endEmptyLibvirt(world.folder, host());
  expect(told).not.toContain("end");
  for (const folder of [definitions, pool]) rmSync(folder, { recursive: true });
  await endEmptyLibvirt(world.folder, host());
  expect(told.at(-1)).toBe("end");
  expect(world.podman.containers.has(router)).toBe(false);
  expect(existsSync(join(world.folder, "libvirt"))).toBe(false);
});

test("goes with its world", async () => {
  await start();
  await removeWorld(world.folder, "trial", world.effects);
  expect(world.podman.containers.size).toBe(0);
  await endLibvirt(world.folder, host());
  expect(told.at(-1)).toBe("end");
});
