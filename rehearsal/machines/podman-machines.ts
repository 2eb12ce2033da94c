/** Rehearsed machines as containers of this machine's Podman, each with systemd and cloud-init (images/machine). */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Restrictions } from "../../components/render/restrictions.ts";
import { CLUSTER_LABEL, type ContainerFound } from "../../provider/effects/podman.ts";
import { CommandError } from "../../provider/effects/process.ts";
import { removeContainer, removeVolume } from "../../provider/effects/removal.ts";
import { ownObject } from "../../provider/logic/ownership.ts";
import { withLock } from "../../toolchain/locks.ts";
import { restrictionsHere } from "./restrictions-here.ts";
import { changeWorld, readWorld, type World, type WorldEffects, worldEffects } from "../world.ts";
import { isInside } from "./addresses.ts";
import { applyCloudRules, forgetConnections, machineBooks, type MachineEntry } from "./cloud-network.ts";
import {
  containerName,
  machineArguments,
  machineImage,
  machineLabel,
  machinePaths,
} from "./machine-arguments.ts";
import type {
  DiskSpec,
  FoundMachine,
  MachineAddresses,
  Machines,
  MachineSpec,
  PortRule,
} from "./machines.ts";
import { MachineDisks } from "./machine-disks.ts";
import { addressesOf, chooseAddress, enter, entryOf } from "./machine-entries.ts";
import { tellHosts } from "./machine-hosts.ts";
import { blueprintUser, renderSeed, strangersKey, writeSeed } from "./seed.ts";

/** {@link Machines} of the world in `folder`. */
export class PodmanMachines implements Machines {
  readonly #folder: string;
  readonly #effects: WorldEffects;
  readonly #restrictions: () => Restrictions;
  readonly #books: ReturnType<typeof machineBooks>;
  readonly #disks: MachineDisks;

  constructor(
    folder: string,
    effects: WorldEffects = worldEffects(),
    restrictions: () => Restrictions = restrictionsHere,
  ) {
    this.#folder = folder;
    this.#effects = effects;
    this.#restrictions = restrictions;
    this.#books = machineBooks(folder);
    this.#disks = new MachineDisks(folder, effects);
  }

  async create(spec: MachineSpec, signal: AbortSignal): Promise<MachineAddresses> {
    const user = blueprintUser(spec.blueprintId);
    const world = await readWorld(this.#folder);
    return this.#alone(spec.name, async () => {
      const container = await this.#container(world, spec.name);
      const entry = (await this.#books.read()).machines[spec.name];
      if (container !== undefined && entry !== undefined) {
        await applyCloudRules(this.#folder, world, this.#effects);
        if (!container.running) await this.#effects.podman.command(["start", container.name]);
        await tellHosts(this.#effects.podman, container.name, (await readWorld(this.#folder)).hosts);
        return addressesOf(entry);
      }
      await this.#clear(world, spec.name);
      signal.throwIfAborted();
      const made = await this.#books.change((books) => enter(books, world, spec.name));
      // In force before there is anything to reach.
      await applyCloudRules(this.#folder, world, this.#effects);
      await this.#start(world, spec, made, user);
      // What became known since it was ordered.
      await tellHosts(
        this.#effects.podman,
        containerName(world.world, spec.name),
        (await readWorld(this.#folder)).hosts,
      );
      return addressesOf(made);
    });
  }

  async know(names: Readonly<Record<string, string>>): Promise<void> {
    const { hosts } = await readWorld(this.#folder);
    if (Object.entries(names).some(([name, address]) => hosts[name] !== address)) {
      await changeWorld(this.#folder, { hosts: { ...hosts, ...names } });
    }
    const world = await readWorld(this.#folder);
    for (const name of Object.keys((await this.#books.read()).machines)) {
      const container = await this.#container(world, name);
      if (container?.running !== true) continue;
      await tellHosts(this.#effects.podman, container.name, names).catch(async (error: unknown) => {
        // One that is going needs no names.
        if ((await this.#container(world, name))?.running === true) throw error;
      });
    }
  }

  async remove(name: string): Promise<void> {
    const world = await readWorld(this.#folder);
    await this.#alone(name, () => this.#clear(world, name));
  }

  async find(name: string): Promise<FoundMachine | undefined> {
    const world = await readWorld(this.#folder);
    const entry = (await this.#books.read()).machines[name];
    const container = await this.#container(world, name);
    if (entry === undefined || container === undefined) return undefined;
    return { ...addressesOf(entry), running: container.running };
  }

  async setAddress(name: string, publicAddress: string | undefined): Promise<string> {
    const world = await readWorld(this.#folder);
    if (publicAddress !== undefined && !isInside(world.publicRange, publicAddress)) {
      throw new RangeError(`\`publicAddress\` must be in ${world.publicRange}, got ${publicAddress}`);
    }
    const [before, now] = await this.#books.change((books) => {
      const entry = entryOf(books, name);
      const former = entry.publicAddress;
      entry.publicAddress = chooseAddress(books, world, name, publicAddress);
      return [former, entry.publicAddress];
    });
    // Whoever was killed between books and rules left the same address, and rules for another.
    await applyCloudRules(this.#folder, world, this.#effects);
    if (before !== now) {
      await forgetConnections(this.#effects.run, before);
      await forgetConnections(this.#effects.run, now);
    }
    return now;
  }

  async openPorts(name: string, rules: readonly PortRule[]): Promise<void> {
    const world = await readWorld(this.#folder);
    await this.#books.change((books) => {
      // A cloud's own entry may hold more than a rule.
      entryOf(books, name).rules = rules.map(({ fromPort, toPort, protocol, cidrs, ipv6Cidrs }) => ({
        fromPort,
        toPort,
        protocol,
        cidrs: [...cidrs],
        ipv6Cidrs: [...ipv6Cidrs],
      }));
    });
    await applyCloudRules(this.#folder, world, this.#effects);
  }

  async createDisk(spec: DiskSpec): Promise<void> {
    await this.#disks.create(await readWorld(this.#folder), spec.name);
  }

  async removeDisk(name: string): Promise<void> {
    await this.#disks.remove(await readWorld(this.#folder), name);
  }

  async attachDisk(machineName: string, diskName: string, _path: string): Promise<void> {
    const world = await readWorld(this.#folder);
    await this.#disks.demand(world, diskName);
    await this.#alone(machineName, async () => {
      const disks = await this.#books.change((books) => {
        const entry = entryOf(books, machineName);
        const holder = Object.entries(books.machines).find(([, { disks }]) => disks.includes(diskName));
        if (holder !== undefined && holder[0] !== machineName) {
          throw new Error(`disk ${diskName} must be detached, it is attached to ${holder[0]}`);
        }
        if (holder === undefined) entry.disks.push(diskName);
        return entry.disks;
      });
      await this.#mountDisks(world, machineName, disks);
    });
  }

  async detachDisk(machineName: string, diskName: string): Promise<void> {
    const world = await readWorld(this.#folder);
    await this.#alone(machineName, async () => {
      const disks = await this.#books.change((books) => {
        const entry = books.machines[machineName];
        if (entry === undefined) return undefined;
        entry.disks = entry.disks.filter((disk) => disk !== diskName);
        return entry.disks;
      });
      if (disks !== undefined) await this.#mountDisks(world, machineName, disks);
    });
  }

  async #start(world: World, spec: MachineSpec, entry: MachineEntry, user: string): Promise<void> {
    const { podman } = this.#effects;
    const folder = join(this.#folder, "machines", spec.name);
    const seed = join(folder, "seed");
    const hostName = `ip-${entry.privateAddress.replaceAll(".", "-")}`;
    await mkdir(seed, { recursive: true, mode: 0o700 });
    const files = renderSeed({
      instanceId: entry.instanceId,
      hostName,
      publicKey: spec.publicKey,
      userData: spec.userData,
      authority: strangersKey(entry.instanceId),
    });
    await writeSeed(seed, files);
    const userFile = join(folder, "user.cfg");
    await writeFile(userFile, `system_info: {default_user: {name: ${user}}}\n`);
    const ownDisk = ownDiskName(world, spec.name);
    await podman.command([
      ...["volume", "create", `--label=${CLUSTER_LABEL}=${world.world}`],
      ...[`--label=${machineLabel}=${spec.name}`, ownDisk],
    ]);
    const disks = await this.#disks.volume(world);
    const { network, hosts, caFile, imagesDirectory } = world;
    const args = machineArguments({
      ...{ world: world.world, machine: spec.name, container: containerName(world.world, spec.name) },
      ...{ network: network.name, privateAddress: entry.privateAddress, hostName },
      ...{ ownDisk, disks: disks.name, seed, user: userFile, hosts, caFile, imagesDirectory },
      restrictions: this.#restrictions(),
    });
    try {
      await podman.command(args);
    } catch (error) {
      if (!(error instanceof CommandError && /image not known|no such image/i.test(error.finished.stderr)))
        throw error;
      throw new Error(
        `image ${machineImage} must be here; run: ./homespan toolchain --prepare --group rehearsal`,
        { cause: error },
      );
    }
  }

  /** Removes all of a machine that there is, the books' entry last. */
  async #clear(world: World, name: string): Promise<void> {
    const { podman, run } = this.#effects;
    await removeContainer(podman, world.world, containerName(world.world, name));
    await removeVolume(podman, world.world, ownDiskName(world, name));
    await rm(join(this.#folder, "machines", name), { recursive: true, force: true });
    const former = (await this.#books.read()).machines[name];
    if (former === undefined) return;
    await this.#books.change((books) => {
      books.machines = Object.fromEntries(Object.entries(books.machines).filter(([other]) => other !== name));
    });
    await applyCloudRules(this.#folder, world, this.#effects);
    await forgetConnections(run, former.publicAddress);
  }

  async #mountDisks(world: World, name: string, disks: readonly string[]): Promise<void> {
    const container = await this.#container(world, name);
    await this.#disks.attached(world, ownDiskName(world, name), disks);
    if (container?.running !== true) return;
    const finished = await this.#effects.podman.exec(container.name, [machinePaths.disksScript]);
    if (finished.code !== 0) throw new CommandError(`mounting the disks of ${name}`, finished);
  }

  async #container(world: World, name: string): Promise<ContainerFound | undefined> {
    const containers = await this.#effects.podman.list("containers");
    return ownObject("container", containers, containerName(world.world, name), world.world);
  }

  /** One change of a machine at a time, over all processes. */
  #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (!/^\w[\w.-]*$/.test(name)) {
      throw new RangeError(`\`name\` must be letters, digits, "_", "." and "-", got ${JSON.stringify(name)}`);
    }
    return withLock(join(this.#folder, "locks"), `machine-${name}`, work, { pollMs: 50 });
  }
}

function ownDiskName(world: World, machine: string): string {
  return `${containerName(world.world, machine)}-disk`;
}
