/** Virtual machines of a Mac over a Podman in memory: what they boot with, their disk, and when they lose their power. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { leftOnMacs, macName, removeEmptyMacs, startMac } from "../../../rehearsal/lima/mac-machine.ts";
import { limaGuests } from "../../../rehearsal/lima/guests.ts";
import { PodmanVirtualMachines } from "../../../rehearsal/lima/virtual-machines.ts";
import { Rehearsal } from "../../../rehearsal/rehearsal.ts";
import { removeWorld } from "../../../rehearsal/world.ts";
import { done } from "../../provider/fake-podman.ts";
import { FakeWorld } from "../machines/fake-world.ts";

const agent = { mac: "imac", name: "home-agent-1" };
const container = "homespan-trial-machine-mac-imac.home-agent-1";
let world: FakeWorld;
let machines: PodmanVirtualMachines;
let lima: string;

/** As limactl has made it. */
function instance(name: string): void {
  const cidata = join(lima, name, "cidata");
  mkdirSync(join(cidata, "provision.system"), { recursive: true });
  const mount = `mount -o ro "\${LIMA_CIDATA_DEV}" "\${LIMA_CIDATA_MNT}"\n`;
  for (const [path, content] of Object.entries({
    "user-data": mount,
    "meta-data": `instance-id: ${name}\n`,
    "boot.sh": "boot\n",
  })) {
    writeFileSync(join(cidata, path), content);
  }
  writeFileSync(join(lima, name, "lima.yaml"), `message: "Homespan: agent-1 of cluster home (0f)"\n`);
}
/** As limactl has made it, and a machine has had it. */
function disk(name: string, id: string): { name: string; id: string } {
  mkdirSync(join(lima, "_disks", name), { recursive: true });
  writeFileSync(join(lima, "_disks", name, "rehearsed.id"), `${id}\n`);
  return { name, id };
}
const start = (given?: { name: string; id: string }) =>
  machines.start(agent, { hostName: "lima-home-agent-1", disk: given });
/** Podman in memory stops nothing. */
function off(): void {
  const found = world.podman.containers.get(container);
  if (found !== undefined) found.running = false;
}
const runs = (): string[] => world.podman.commands.filter((command) => command.startsWith("run "));
const volume = (name: string): string => join(world.base, "volumes", name);

beforeEach(async () => {
  world = new FakeWorld();
  await world.make();
  machines = new PodmanVirtualMachines(world.folder, world.effects);
  lima = join(world.folder, "machines/mac-imac/lima");
  instance(agent.name);
});
afterEach(() => {
  world.remove();
});

describe("a virtual machine", () => {
  test("stands at home and boots with what Lima has laid down, for root alone", async () => {
    expect(await start()).toMatchObject({ port: 22 });
    const [run = ""] = runs();
    expect(run).toContain("--network=homespan-trial-home");
    expect(run).toContain("--hostname=lima-home-agent-1");
    expect(run).toContain("--restart=no");
    const own = join(world.folder, "machines/mac-imac.home-agent-1");
    expect(run).toContain(`--volume=${own}/cidata:/var/lib/machine/cidata:ro`);
    expect(readFileSync(join(own, "seed/user-data"), "utf8")).toBe(
      `mount --bind /var/lib/machine/cidata "\${LIMA_CIDATA_MNT}"\n`,
    );
    expect(readFileSync(join(own, "seed/meta-data"), "utf8")).toBe("instance-id: home-agent-1\n");
    expect(readFileSync(join(own, "cidata/boot.sh"), "utf8")).toBe("boot\n");
    expect(statSync(join(own, "cidata")).mode & 0o777).toBe(0o700);
  });

  test("is the same container at its next start, with what Lima has laid down since", async () => {
    await start();
    await expect(start()).rejects.toThrow(/is running already/);
    await machines.stop(agent);
    off();
    writeFileSync(join(lima, agent.name, "cidata/meta-data"), "instance-id: second\n");
    rmSync(join(lima, agent.name, "cidata/boot.sh"));
    await start();
    expect(runs()).toHaveLength(1);
    const own = join(world.folder, "machines/mac-imac.home-agent-1");
    expect(readFileSync(join(own, "seed/meta-data"), "utf8")).toBe("instance-id: second\n");
    expect(readdirSync(join(own, "cidata"))).not.toContain("boot.sh");
  });

  test("has the disk it is given, which outlives it and goes when Lima has it no more", async () => {
    const data = disk("home-agent-1-data", "0f");
    await start(data);
    const folder = "mac-imac.home-agent-1-data-0f";
    expect(readFileSync(join(volume(`${container}-disk`), "attached"), "utf8")).toBe(`${folder}\n`);
    writeFileSync(join(volume("homespan-trial-disks"), folder, "kept"), "");
    await machines.remove(agent);
    expect(existsSync(volume(`${container}-disk`))).toBe(false);
    await start(data);
    expect(readdirSync(join(volume("homespan-trial-disks"), folder))).toEqual(["kept"]);
    // Deleted and made again by its name: another one, and empty.
    await machines.remove(agent);
    await start(disk("home-agent-1-data", "10"));
    expect(readdirSync(volume("homespan-trial-disks"))).toEqual(["mac-imac.home-agent-1-data-10"]);
  });

  test("leaves the disk of another one that starts while it looks which are Lima's no more", async () => {
    await start(disk("home-agent-1-data", "0f"));
    await machines.remove(agent);
    const folder = "mac-imac.home-agent-2-data-1f";
    const list = world.podman.list.bind(world.podman);
    world.podman.list = async (kind) => {
      const found = await list(kind);
      if (kind === "volumes") {
        world.podman.list = list;
        disk("home-agent-2-data", "1f");
        mkdirSync(join(volume("homespan-trial-disks"), folder), { recursive: true });
      }
      return found;
    };
    await start(disk("home-agent-1-data", "0f"));
    expect(readdirSync(volume("homespan-trial-disks")).sort()).toEqual([
      "mac-imac.home-agent-1-data-0f",
      folder,
    ]);
  });

  test("is stopped in order, or by its power, once", async () => {
    await start();
    for (const order of ["stop", "kill"] as const) {
      await machines[order](agent);
      off();
      await machines[order](agent);
      await start();
    }
    const power = world.podman.commands.filter((command) => /^(stop|kill) /.test(command));
    expect(power).toEqual([`stop --time=30 ${container}`, `kill ${container}`]);
  });

  test("is refused under a name that Lima does not take", async () => {
    await expect(machines.stop({ mac: "imac", name: "../x" })).rejects.toThrow(
      /`name` must be a name as Lima takes it, got "\.\.\/x"/,
    );
  });
});

describe("a Mac", () => {
  const mac = { name: "imac", user: "admin" };
  const started = () =>
    startMac(world.folder, mac, "/opt/limactl", { ...world.effects, run: () => Promise.resolve(done()) });

  test("is a machine at home with the real limactl, the driver, and its programs of macOS", async () => {
    expect(await started()).toMatchObject({ container: "homespan-trial-machine-mac-imac", user: "admin" });
    const [run = ""] = runs();
    for (const mounted of [
      "=/opt/limactl:/opt/lima/bin/limactl:ro",
      "rehearsal/lima/driver:/opt/lima/libexec/lima:ro",
      "rehearsal/lima/mac/bin:/usr/local/bin:ro",
      "machines/mac-imac/lima:/var/lib/lima",
      `${world.folder}/hypervisor:/var/lib/hypervisor`,
    ]) {
      expect(run).toContain(mounted);
    }
    expect(run).toContain("--hostname=imac");
    expect(readFileSync(join(world.folder, "machines/mac-imac/seed/user-data"), "utf8")).toMatch(
      /^#!\/bin\/sh\n/,
    );
  });

  test("tells what is left on it, and goes when that is nothing", async () => {
    await started();
    disk("home-agent-1-data", "0f");
    expect([...(await limaGuests(world.folder)).keys()]).toEqual(["agent-1"]);
    expect(await leftOnMacs(world.folder)).toEqual([
      { kind: "virtual machine", name: "home-agent-1", mac: "imac" },
      { kind: "Lima disk", name: "home-agent-1-data", mac: "imac" },
    ]);
    const rehearsal = new Rehearsal(world.folder, "trial");
    expect(await rehearsal.leftAtHome(new Set(["home-agent-1-data", "home-agent-2-data"]))).toEqual([
      "Lima disk home-agent-1-data on imac",
    ]);
    await removeEmptyMacs(world.folder, world.effects);
    expect(world.podman.containers.size).toBe(1);
    rmSync(join(lima, agent.name), { recursive: true });
    rmSync(join(lima, "_disks"), { recursive: true });
    await removeEmptyMacs(world.folder, world.effects);
    expect(world.podman.containers.size).toBe(0);
    expect(await leftOnMacs(world.folder)).toEqual([]);
  });

  test("goes with its world, and its virtual machines too", async () => {
    await started();
    await start();
    await removeWorld(world.folder, "trial", world.effects);
    expect([...world.podman.containers.keys(), ...world.podman.volumes.keys()]).toEqual([]);
  });

  test.each([
    ["imac.local", "imac"],
    ["192.168.1.20", "192-168-1-20"],
    ["Mac-Mini.home.example", "mac-mini"],
    ["", "mac"],
  ])("at %s is called %s", (address, name) => {
    expect(macName(address)).toBe(name);
  });
});
