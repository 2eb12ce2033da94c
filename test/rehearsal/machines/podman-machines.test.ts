/** Rehearsed machines over a Podman in memory: what survives what, and what is removed with what. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PortRule } from "../../../rehearsal/machines/machines.ts";
import { changeWorld, findWorld, rehearsalFolder, removeWorld } from "../../../rehearsal/world.ts";
import { FakeWorld, spec } from "./fake-world.ts";

const ssh: PortRule = {
  ...{ fromPort: 22, toPort: 22, protocol: "tcp", cidrs: ["0.0.0.0/0"], ipv6Cidrs: [] },
};

let world: FakeWorld;

beforeEach(async () => {
  world = new FakeWorld();
  await world.make();
});
afterEach(() => {
  world.remove();
});

const runs = (): string[] => world.podman.commands.filter((command) => command.startsWith("run "));
const instanceId = (name: string): string => {
  const text = readFileSync(join(world.folder, "machines", name, "seed/meta-data"), "utf8");
  return (JSON.parse(text) as { "instance-id": string })["instance-id"];
};

describe("a world", () => {
  test("has a network of its own, and is found as it was made", async () => {
    const network = world.podman.networks.get("homespan-trial-cloud");
    expect(network).toMatchObject({
      subnet: "172.26.1.0/24",
      labels: { "homespan.cluster": "trial", "homespan.public-range": "198.18.1.0/24" },
    });
    world.firewall.tables.clear();
    expect(await world.make()).toEqual(await findWorld(world.folder));
    expect(world.podman.networks.size).toBe(1);
    // As after a restart of this machine.
    expect(world.rules).toContain("chain firewall");
  });

  test("keeps its settings when it is made again, and takes new ones", async () => {
    await changeWorld(world.folder, { hosts: { "control.example": "172.26.1.2" } });
    expect(await world.make({ caFile: "/ca.pem" })).toMatchObject({
      hosts: { "control.example": "172.26.1.2" },
      caFile: "/ca.pem",
    });
  });

  test("leaves another world's folder alone", async () => {
    await expect(world.make({ world: "other" })).rejects.toThrow(
      /must be free or of the world other, got that of trial$/,
    );
  });

  test("is removed with everything, also what no book tells of, and can be removed again", async () => {
    await world.machine("server-1");
    await world.machines.createDisk({ name: "data", zone: "eu-central-1a", sizeGiB: 8 });
    rmSync(join(world.folder, "machines.json"));
    await removeWorld(world.folder, "trial", world.effects);
    await removeWorld(world.folder, "trial", world.effects);
    const { containers, volumes, networks } = world.podman;
    expect([containers.size, volumes.size, networks.size]).toEqual([0, 0, 0]);
    expect(world.firewall.tables.size).toBe(0);
    expect(await findWorld(world.folder)).toBeUndefined();
  });

  test("is named by the environment alone", () => {
    expect(rehearsalFolder({ HOMESPAN_REHEARSAL: "/state" })).toBe("/state");
    expect(() => rehearsalFolder({})).toThrow("`HOMESPAN_REHEARSAL` must name the folder of a rehearsal");
  });
});

describe("a machine", () => {
  test("is run as the golden says", async () => {
    await world.make({
      hosts: { "controlplane.tailscale.com": "172.26.1.2" },
      caFile: "/state/ca.pem",
      imagesDirectory: "/cache/images",
    });
    await world.machine("server-1");
    const text = runs().join("\n").replaceAll(world.folder, "/state").replaceAll(" --", "\n--");
    await expect(`${text}\n`).toMatchFileSnapshot("golden/machine-arguments.txt");
  });

  test("has all ports closed from its first moment, and its seed is for nobody else", async () => {
    const { privateAddress, publicAddress } = await world.machine("server-1");
    expect([privateAddress, publicAddress]).toEqual(["172.26.1.16", "198.18.1.1"]);
    expect(world.rules).toContain(`${publicAddress} : ${privateAddress}`);
    expect(world.rules).not.toMatch(/dport/);
    const seed = join(world.folder, "machines/server-1/seed/user-data");
    expect(readFileSync(seed, "utf8")).toMatch(/TrustedUserCAKeys[^]*\n#!\/bin\/sh\necho started\n$/);
  });

  test("is kept by a second order of the same name, and started when it had stopped", async () => {
    const first = await world.machine("server-1");
    const container = world.podman.containers.get("homespan-trial-machine-server-1")!;
    container.running = false;
    expect(await world.machines.find("server-1")).toEqual({ ...first, running: false });
    expect(await world.machine("server-1")).toEqual(first);
    expect(await world.machines.find("server-1")).toEqual({ ...first, running: true });
    expect(runs()).toHaveLength(1);
  });

  test("that was lost is another one when it is made again: disk, identity, addresses, ports", async () => {
    const first = await world.machine("server-1");
    const identity = instanceId("server-1");
    await world.machines.openPorts("server-1", [ssh]);
    world.podman.containers.clear();
    expect(await world.machines.find("server-1")).toBeUndefined();
    const second = await world.machine("server-1");
    expect(second.privateAddress).not.toBe(first.privateAddress);
    expect(instanceId("server-1")).not.toBe(identity);
    expect(world.podman.commands).toContain("volume rm homespan-trial-machine-server-1-disk");
    expect(world.rules).not.toContain("dport");
    expect(world.rules).not.toContain(first.privateAddress);
  });

  test("whose making was cut off is made by the next call", async () => {
    world.podman.failing = "run ";
    await expect(world.machine("server-1")).rejects.toThrow();
    world.podman.failing = undefined;
    expect(await world.machines.find("server-1")).toBeUndefined();
    await world.machine("server-1");
    expect(await world.machines.find("server-1")).toMatchObject({ running: true });
  });

  test("is made once by two calls at once, and two have two addresses", async () => {
    const made = await Promise.all(["a1", "a1", "b1"].map((name) => world.machine(name)));
    expect(made[0]).toEqual(made[1]);
    expect(new Set(made.map(({ privateAddress }) => privateAddress)).size).toBe(2);
    expect(runs()).toHaveLength(2);
  });

  test("is removed with its disk and seed, also when half of it is gone, and again", async () => {
    const { publicAddress } = await world.machine("server-1");
    world.podman.containers.clear();
    await world.machines.remove("server-1");
    await world.machines.remove("server-1");
    expect([...world.podman.volumes.keys()]).toEqual(["homespan-trial-disks"]);
    expect(existsSync(join(world.folder, "machines/server-1"))).toBe(false);
    expect(world.rules).not.toContain(publicAddress);
    expect(world.runs).toContain(`conntrack --delete --orig-dst ${publicAddress}`);
  });

  test("leaves a container of someone else alone", async () => {
    const name = "homespan-trial-machine-server-1";
    world.podman.containers.set(name, { name, running: true, labels: {}, pod: "", networks: [] });
    await expect(world.machine("server-1")).rejects.toThrow("must be free or belong to cluster");
    await expect(world.machines.remove("server-1")).rejects.toThrow("must be free or belong to cluster");
  });

  test("must have a name of a file, and a system there is an image of", async () => {
    await expect(world.machine("../up")).rejects.toThrow("`name` must be letters, digits");
    const strange = { ...spec("server-1"), blueprintId: "windows_server_2022" };
    await expect(world.machines.create(strange, AbortSignal.timeout(5000))).rejects.toThrow(
      '`blueprintId` must be a Debian or an Ubuntu one in a rehearsal, got "windows_server_2022"',
    );
  });
});

describe("an address", () => {
  test("goes to a machine and away again, and connections end with it", async () => {
    const { publicAddress } = await world.machine("server-1");
    expect(await world.machines.setAddress("server-1", "198.18.1.128")).toBe("198.18.1.128");
    expect(world.rules).not.toContain(`${publicAddress} :`);
    expect(world.runs).toEqual([
      `conntrack --delete --orig-dst ${publicAddress}`,
      `conntrack --delete --reply-dst ${publicAddress}`,
      "conntrack --delete --orig-dst 198.18.1.128",
      "conntrack --delete --reply-dst 198.18.1.128",
    ]);
    const passing = await world.machines.setAddress("server-1", undefined);
    expect(passing).toBe("198.18.1.2");
    expect(await world.machines.setAddress("server-1", undefined)).toBe(passing);
    expect(await world.machines.find("server-1")).toMatchObject({ publicAddress: passing });
  });

  test("is in force after it was given again, whatever became of the first time", async () => {
    await world.machine("server-1");
    await world.machines.setAddress("server-1", "198.18.1.128");
    const rules = world.rules;
    // As if its giver had been killed between books and rules.
    world.firewall.tables.set("homespan_trial_cloud", "");
    await world.machines.setAddress("server-1", "198.18.1.128");
    expect(world.rules).toBe(rules);
  });

  test("is one machine's, and the world's", async () => {
    await world.machine("one");
    await world.machine("two");
    await world.machines.setAddress("one", "198.18.1.200");
    await expect(world.machines.setAddress("two", "198.18.1.200")).rejects.toThrow(
      "address 198.18.1.200 must be free, one has it",
    );
    await expect(world.machines.setAddress("two", "203.0.113.1")).rejects.toThrow(
      "`publicAddress` must be in 198.18.1.0/24, got 203.0.113.1",
    );
    await expect(world.machines.setAddress("none", undefined)).rejects.toThrow("there is no machine none");
  });
});

test("ports are replaced as a whole", async () => {
  await world.machine("server-1");
  await world.machines.openPorts("server-1", [ssh, { ...ssh, fromPort: 80, toPort: 80 }]);
  expect(world.rules).toMatch(/tcp dport 22 accept\n +tcp dport 80 accept/);
  await world.machines.openPorts("server-1", [ssh]);
  expect(world.rules).not.toContain("dport 80");
});

describe("a disk", () => {
  const disk = (name: string) => world.machines.createDisk({ name, zone: "eu-central-1a", sizeGiB: 8 });
  const attached = (): string =>
    readFileSync(join(world.base, "volumes/homespan-trial-machine-server-1-disk/attached"), "utf8");
  beforeEach(async () => {
    await world.machine("server-1");
    await disk("data");
  });

  test("is attached once and detached, while the machine runs and when it does not", async () => {
    await world.machines.attachDisk("server-1", "data", "/dev/xvdf");
    await world.machines.attachDisk("server-1", "data", "/dev/xvdf");
    expect(attached()).toBe("data\n");
    expect(world.podman.execs).toHaveLength(2);
    world.podman.containers.get("homespan-trial-machine-server-1")!.running = false;
    await world.machines.detachDisk("server-1", "data");
    expect(attached()).toBe("");
    expect(world.podman.execs).toHaveLength(2);
  });

  test("outlives its machine, and is free then", async () => {
    await world.machines.attachDisk("server-1", "data", "/dev/xvdf");
    await expect(world.machines.removeDisk("data")).rejects.toThrow(
      "disk data must be detached, it is attached to server-1",
    );
    await world.machine("server-2");
    await expect(world.machines.attachDisk("server-2", "data", "/dev/xvdf")).rejects.toThrow(
      "disk data must be detached, it is attached to server-1",
    );
    await world.machines.remove("server-1");
    const kept = join(world.base, "volumes/homespan-trial-disks/data");
    expect(existsSync(kept)).toBe(true);
    await world.machines.attachDisk("server-2", "data", "/dev/xvdf");
    await world.machines.detachDisk("server-2", "data");
    await world.machines.detachDisk("server-1", "data");
    await world.machines.removeDisk("data");
    await world.machines.removeDisk("data");
    expect(existsSync(kept)).toBe(false);
  });

  test("must be there to be attached", async () => {
    await expect(world.machines.attachDisk("server-1", "none", "/dev/xvdf")).rejects.toThrow(
      "there is no disk none",
    );
  });
});
