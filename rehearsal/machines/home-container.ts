/**
 * The containers of machines that no cloud made. They stand at home, in a network of their own: they go out by translation of
 * their address, and from the cloud no connection to them can be opened. This machine, which runs Pulumi, is in the same home.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CLUSTER_LABEL, type NetworkFound } from "../../provider/effects/podman.ts";
import { objectNames, ownObject } from "../../provider/logic/ownership.ts";
import { siteTable } from "../../provider/logic/site-rule.ts";
import { restrictionsHere } from "./restrictions-here.ts";
import type { World, WorldEffects } from "../world.ts";
import { containerName, machineArguments, machineLabel } from "./machine-arguments.ts";
import { MachineDisks } from "./machine-disks.ts";
import { writeSeed } from "./seed.ts";

const site = "home";

/** A machine at home as it is made. */
export interface MachineAtHome {
  /** Part of its container's name; its folder in the rehearsal's. */
  readonly machine: string;
  readonly hostName: string;
  /** The image's user; may use sudo without a password. */
  readonly user: string;
  readonly seed: Readonly<Record<"meta-data" | "user-data", string>>;
  /** @default none */
  readonly volumes?: readonly string[];
  /** @default true */
  readonly comesBack?: boolean;
}

/** A machine at home that runs. */
export interface RunningAtHome {
  readonly container: string;
  readonly address: string;
}

/** Volume of the machine's own disk. */
export function homeDiskName(world: string, machine: string): string {
  return `${containerName(world, machine)}-disk`;
}

/** Makes and starts the container, or starts it again with its seed as it is now; one that runs is left as it is. */
export async function startAtHome(
  folder: string,
  world: World,
  machine: MachineAtHome,
  effects: WorldEffects,
): Promise<RunningAtHome> {
  const { podman } = effects;
  const { name: network } = await homeNetwork(world, effects);
  const container = containerName(world.world, machine.machine);
  const found = ownObject("container", await podman.list("containers"), container, world.world);
  if (found?.running !== true) {
    const arguments_ = await prepare(folder, world, { ...machine, network }, effects);
    await podman.command(found === undefined ? arguments_ : ["start", container]);
  }
  const inspected = await podman.command([
    ...["inspect", "--format", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container],
  ]);
  return { container, address: inspected.trim() };
}

/** The network at home. */
export type HomeNetwork = Pick<NetworkFound, "name" | "subnet" | "gateway">;

/** Makes it where there is none; its rule is put in force again each time, as a restart of this machine forgets it. */
export async function homeNetwork(
  world: World,
  { podman, firewall }: Pick<WorldEffects, "podman" | "firewall">,
): Promise<HomeNetwork> {
  const name = objectNames.network(world.world, site);
  const find = async () => ownObject("network", await podman.list("networks"), name, world.world);
  if ((await find()) === undefined) {
    const label = `--label=${CLUSTER_LABEL}=${world.world}`;
    await podman.command(["network", "create", label, "--disable-dns", name]);
  }
  const network = await find();
  if (network === undefined) throw new Error(`network ${name} disappeared right after it was created`);
  const table = objectNames.firewallTable(world.world, site);
  await firewall.replace(table, siteTable(table, network.subnet, [world.network.subnet]));
  return network;
}

/** Lays down its files, makes its own disk, and returns how Podman makes it. */
async function prepare(
  folder: string,
  world: World,
  given: MachineAtHome & { readonly network: string },
  effects: WorldEffects,
): Promise<string[]> {
  const { machine, hostName, network, user, seed: files, volumes = [], comesBack = true } = given;
  const own = join(folder, "machines", machine);
  const seed = join(own, "seed");
  await mkdir(seed, { recursive: true, mode: 0o700 });
  await writeSeed(seed, files);
  const userFile = join(own, "user.cfg");
  await writeFile(userFile, `system_info: {default_user: {name: ${user}}}\n`);
  const ownDisk = await ensureHomeDisk(world, machine, effects);
  const { name: disks } = await new MachineDisks(folder, effects).volume(world);
  const { hosts, caFile, imagesDirectory } = world;
  return machineArguments({
    ...{ world: world.world, machine, container: containerName(world.world, machine), network, hostName },
    ...{ ownDisk, disks, seed, user: userFile, hosts, caFile, imagesDirectory, volumes, comesBack },
    restrictions: restrictionsHere(),
  });
}

/** The volume of the machine's own disk, made when there is none. */
export async function ensureHomeDisk(
  world: World,
  machine: string,
  { podman }: WorldEffects,
): Promise<string> {
  const name = homeDiskName(world.world, machine);
  if (ownObject("volume", await podman.list("volumes"), name, world.world) === undefined) {
    const labels = [`--label=${CLUSTER_LABEL}=${world.world}`, `--label=${machineLabel}=${machine}`];
    await podman.command(["volume", "create", ...labels, name]);
  }
  return name;
}
