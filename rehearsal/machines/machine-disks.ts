/**
 * Disks of a rehearsed cloud: folders of one volume that every machine has, because nothing can be mounted into a container
 * that runs but what it has already. The disk attached first is mounted at /data by the machine itself.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clusterObjectName } from "../../components/render/names.ts";
import { CLUSTER_LABEL, type VolumeFound } from "../../provider/effects/podman.ts";
import { ownObject } from "../../provider/logic/ownership.ts";
import { withLock } from "../../toolchain/locks.ts";
import type { World, WorldEffects } from "../world.ts";
import { machineBooks } from "./cloud-network.ts";

export class MachineDisks {
  readonly #folder: string;
  readonly #effects: WorldEffects;

  constructor(folder: string, effects: WorldEffects) {
    this.#folder = folder;
    this.#effects = effects;
  }

  /** The volume of all disks, made when there is none. */
  async volume(world: World): Promise<VolumeFound> {
    const name = clusterObjectName(world.world, "disks");
    return withLock(join(this.#folder, "locks"), "disks", async () => {
      const found = await this.#find(world, name);
      if (found !== undefined) return found;
      await this.#effects.podman.command([
        ...["volume", "create", `--label=${CLUSTER_LABEL}=${world.world}`, name],
      ]);
      const made = await this.#find(world, name);
      if (made === undefined) throw new Error(`volume ${name} disappeared right after it was created`);
      return made;
    });
  }

  /** The names of all there are. */
  async list(world: World): Promise<readonly string[]> {
    return readdir((await this.volume(world)).mountpoint);
  }

  async create(world: World, disk: string): Promise<void> {
    await mkdir(await this.#path(world, disk), { recursive: true });
  }

  async remove(world: World, disk: string): Promise<void> {
    const holder = Object.entries((await machineBooks(this.#folder).read()).machines).find(([, { disks }]) =>
      disks.includes(disk),
    );
    if (holder !== undefined)
      throw new Error(`disk ${disk} must be detached, it is attached to ${holder[0]}`);
    await rm(await this.#path(world, disk), { recursive: true, force: true });
  }

  /** @throws Error when there is no such disk */
  async demand(world: World, disk: string): Promise<void> {
    if (!existsSync(await this.#path(world, disk))) throw new Error(`there is no disk ${disk}`);
  }

  /** Tells the machine with this own disk which disks it has; it reads that at its next boot, or when it is told to. */
  async attached(world: World, ownDisk: string, disks: readonly string[]): Promise<void> {
    const volume = await this.#find(world, ownDisk);
    if (volume === undefined) throw new Error(`there is no volume ${ownDisk}`);
    const draft = join(volume.mountpoint, "attached.new");
    await writeFile(draft, disks.map((disk) => `${disk}\n`).join(""));
    await rename(draft, join(volume.mountpoint, "attached"));
  }

  async #path(world: World, disk: string): Promise<string> {
    if (!/^\w[\w.-]*$/.test(disk)) {
      throw new RangeError(`\`name\` must be letters, digits, "_", "." and "-", got ${JSON.stringify(disk)}`);
    }
    return join((await this.volume(world)).mountpoint, disk);
  }

  async #find(world: World, name: string): Promise<VolumeFound | undefined> {
    return ownObject("volume", await this.#effects.podman.list("volumes"), name, world.world);
  }
}
