/** The virtual machines of the rehearsed Macs: containers at home, which boot with what Lima has laid down for them. */
import { cp, mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive, startTime } from "../../toolchain/process.ts";
import { removeContainer, removeVolume } from "../../provider/effects/removal.ts";
import { ownObject } from "../../provider/logic/ownership.ts";
import { withLock } from "../../toolchain/locks.ts";
import { ensureHomeDisk, homeDiskName, startAtHome } from "../machines/home-container.ts";
import { containerName } from "../machines/machine-arguments.ts";
import { MachineDisks } from "../machines/machine-disks.ts";
import { type World, type WorldEffects, readWorld } from "../world.ts";
import { guestCidata, guestUserData } from "./guest-seed.ts";
import { limaDiskFolder, limaMachine, macFolders } from "./names.ts";

/** One virtual machine of a Mac. */
export interface VirtualMachineName {
  /** Host name of the Mac. */
  readonly mac: string;
  /** Of the instance, in Lima. */
  readonly name: string;
}

export interface VirtualMachineStart {
  readonly hostName: string;
  /** The data disk. */
  readonly disk: { readonly name: string; readonly id: string } | undefined;
}

export interface SshPlace {
  readonly address: string;
  readonly port: number;
}

export interface VirtualMachines {
  /** @returns where its SSH answers */
  start(machine: VirtualMachineName, start: VirtualMachineStart): Promise<SshPlace>;
  stop(machine: VirtualMachineName): Promise<void>;
  kill(machine: VirtualMachineName): Promise<void>;
  remove(machine: VirtualMachineName): Promise<void>;
  /** Returns when it is off. */
  life(machine: VirtualMachineName, signal: AbortSignal): Promise<void>;
}

/** As long as Apple's framework is given by Lima. */
const stopSeconds = 30;
const lookMilliseconds = 500;
const sshPort = 22;

export class PodmanVirtualMachines implements VirtualMachines {
  readonly #folder: string;
  readonly #effects: WorldEffects;

  constructor(folder: string, effects: WorldEffects) {
    this.#folder = folder;
    this.#effects = effects;
  }

  start(name: VirtualMachineName, { hostName, disk }: VirtualMachineStart): Promise<SshPlace> {
    return this.#alone(name, async (world, machine) => {
      const found = await this.#find(world, machine);
      if (found?.running === true) throw new Error(`${name.name} is running already`);
      await this.#giveDisk(world, name.mac, machine, disk);
      const cidata = join(this.#folder, "machines", machine, "cidata");
      const seed = await this.#takeCidata(name, cidata);
      const { address } = await startAtHome(
        this.#folder,
        world,
        {
          ...{ machine, hostName, user: "lima", seed },
          ...{ volumes: [`${cidata}:${guestCidata}:ro`], comesBack: false },
        },
        this.#effects,
      );
      return { address, port: sshPort };
    });
  }

  stop(name: VirtualMachineName): Promise<void> {
    return this.#power(name, ["stop", `--time=${String(stopSeconds)}`]);
  }

  kill(name: VirtualMachineName): Promise<void> {
    return this.#power(name, ["kill"]);
  }

  remove(name: VirtualMachineName): Promise<void> {
    return this.#alone(name, async (world, machine) => {
      const { podman } = this.#effects;
      await removeContainer(podman, world.world, containerName(world.world, machine));
      await removeVolume(podman, world.world, homeDiskName(world.world, machine));
      await rm(join(this.#folder, "machines", machine), { recursive: true, force: true });
    });
  }

  async life(name: VirtualMachineName, signal: AbortSignal): Promise<void> {
    const world = await readWorld(this.#folder);
    const container = await this.#find(world, limaMachine(name));
    if (container?.running !== true) return;
    const format = ["inspect", "--format", "{{.State.Pid}}", container.name];
    const pid = Number(await this.#effects.podman.command(format));
    const started = startTime(pid);
    while (isAlive(pid) && startTime(pid) === started) await sleep(lookMilliseconds, undefined, { signal });
  }

  #power(name: VirtualMachineName, command: readonly string[]): Promise<void> {
    return this.#alone(name, async (world, machine) => {
      const container = await this.#find(world, machine);
      if (container?.running === true) await this.#effects.podman.command([...command, container.name]);
    });
  }

  /** A disk of Lima's is a folder here, and goes when Lima has it no more. */
  async #giveDisk(
    world: World,
    mac: string,
    machine: string,
    disk: VirtualMachineStart["disk"],
  ): Promise<void> {
    const disks = new MachineDisks(this.#folder, this.#effects);
    // In this order: the folder of a machine that starts meanwhile is made after Lima's disk has its id.
    const present = await disks.list(world);
    const kept = new Set((await this.#limaDisks(mac)).map((it) => limaDiskFolder(mac, it)));
    for (const folder of present) {
      if (folder.startsWith(limaDiskFolder(mac)) && !kept.has(folder)) await disks.remove(world, folder);
    }
    const folders = disk === undefined ? [] : [limaDiskFolder(mac, disk)];
    for (const folder of folders) await disks.create(world, folder);
    await disks.attached(world, await ensureHomeDisk(world, machine, this.#effects), folders);
  }

  /** Those that were given to a machine once. */
  async #limaDisks(mac: string): Promise<readonly { readonly name: string; readonly id: string }[]> {
    const folder = join(macFolders(this.#folder, mac).home, "_disks");
    const names = await readdir(folder).catch(() => []);
    const ids = await Promise.all(
      names.map((name) => readFile(join(folder, name, "rehearsed.id"), "utf8").catch(() => "")),
    );
    return names.flatMap((name, index) => {
      const id = (ids[index] ?? "").trim();
      return id === "" ? [] : [{ name, id }];
    });
  }

  /** What Lima has laid down, for root alone as on Lima's CD-ROM; returns cloud-init's part. */
  async #takeCidata(
    { mac, name }: VirtualMachineName,
    cidata: string,
  ): Promise<Record<"meta-data" | "user-data", string>> {
    const laidDown = join(macFolders(this.#folder, mac).home, name, "cidata");
    await mkdir(cidata, { recursive: true, mode: 0o700 });
    // The folder itself is mounted in the machine.
    for (const entry of await readdir(cidata)) await rm(join(cidata, entry), { recursive: true });
    await cp(laidDown, cidata, { recursive: true });
    const read = (file: string): Promise<string> => readFile(join(laidDown, file), "utf8");
    return { "meta-data": await read("meta-data"), "user-data": guestUserData(await read("user-data")) };
  }

  async #find(
    world: World,
    machine: string,
  ): Promise<{ readonly name: string; readonly running: boolean } | undefined> {
    const containers = await this.#effects.podman.list("containers");
    return ownObject("container", containers, containerName(world.world, machine), world.world);
  }

  /** One order for a machine at a time. */
  async #alone<T>(name: VirtualMachineName, work: (world: World, machine: string) => Promise<T>): Promise<T> {
    const machine = limaMachine(name);
    const world = await readWorld(this.#folder);
    return withLock(join(this.#folder, "locks"), `machine-${machine}`, () => work(world, machine), {
      pollMs: 50,
    });
  }
}
