/**
 * A rehearsed Mac: a machine at home with the real limactl, whose virtual machines are containers beside it. What macOS has and
 * Linux has not is played by the programs in `mac/`.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { limaName } from "../../components/upstream/lima.ts";
import { CommandError } from "../../provider/effects/process.ts";
import { removeContainer, removeVolume } from "../../provider/effects/removal.ts";
import { homeDiskName } from "../machines/home-container.ts";
import { type HomeMachine, startHomeMachine } from "../machines/home-machine.ts";
import { containerName } from "../machines/machine-arguments.ts";
import { type WorldEffects, readWorld, worldEffects } from "../world.ts";
import { fillImageCache } from "./images.ts";
import { hypervisorFiles, macFolders, macMachine } from "./names.ts";

export interface Mac {
  /** Its host name. */
  readonly name: string;
  /** Whose virtual machines they are. */
  readonly user: string;
}

const orderSchema = z.strictObject({
  name: z.string(),
  user: z.string(),
  /** The real program. */
  limactl: z.string(),
});
/** What a Mac was made with, in its folder. */
export type MacOrder = z.output<typeof orderSchema>;

const here = dirname(fileURLToPath(import.meta.url));
const checkout = join(here, "..", "..");
/** Of the first user of a system. */
const owner = "1000:1000";

/** The name of the Mac at an address: the first part of a host name, letters, digits and hyphens of anything else. */
export function macName(address: string): string {
  const [first = ""] = /^[\d.]+$/.test(address) || address.includes(":") ? [address] : address.split(".");
  const name = first.replaceAll(/[^A-Za-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return limaName.pattern.test(name) ? name.toLowerCase() : "mac";
}

/** Makes and starts it, or starts it again; returns when it lets its owner in. */
export async function startMac(
  folder: string,
  { name, user }: Mac,
  limactl: string,
  effects: WorldEffects = worldEffects(),
): Promise<HomeMachine> {
  const { home, cache } = macFolders(folder, name);
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writeFile(orderFile(folder, macMachine(name)), JSON.stringify({ name, user, limactl }));
  await fillImageCache(cache);
  const owned = await effects.run("chown", ["--recursive", owner, home, cache]);
  if (owned.code !== 0) throw new CommandError("chown", owned);
  const { directory } = hypervisorFiles(folder);
  return startHomeMachine(folder, effects, {
    ...{ machine: macMachine(name), hostName: name, user },
    firstBoot: await readFile(join(here, "mac", "first-boot"), "utf8"),
    volumes: [
      `${join(here, "mac", "bin")}:/usr/local/bin:ro`,
      `${join(here, "mac", "launchd")}:/var/lib/cloud/scripts/per-boot/launchd:ro`,
      `${limactl}:/opt/lima/bin/limactl:ro`,
      // Where limactl looks for drivers that are not built in.
      `${join(here, "driver")}:/opt/lima/libexec/lima:ro`,
      `${process.execPath}:/opt/lima/node:ro`,
      `${join(checkout, "node_modules")}:/opt/lima/node_modules:ro`,
      `${join(checkout, "package.json")}:/opt/lima/package.json:ro`,
      `${directory}:/var/lib/hypervisor`,
      `${home}:/var/lib/lima`,
      `${cache}:/var/cache/lima`,
    ],
  });
}

/** Starts the Macs again that a restart of this machine stopped. */
export async function wakeMacs(folder: string, effects: WorldEffects = worldEffects()): Promise<void> {
  for (const order of await macOrders(folder)) await startMac(folder, order, order.limactl, effects);
}

/** All Macs there are. */
export async function macOrders(folder: string): Promise<readonly MacOrder[]> {
  const files = (await macMachines(folder)).map((machine) => orderFile(folder, machine));
  return Promise.all(files.map(async (file) => orderSchema.parse(JSON.parse(await readFile(file, "utf8")))));
}

/** Removes the Macs that hold no virtual machine and no disk. */
export async function removeEmptyMacs(folder: string, effects: WorldEffects = worldEffects()): Promise<void> {
  const { podman } = effects;
  for (const machine of await macMachines(folder)) {
    if ((await leftOn(folder, machine)).length > 0) continue;
    const { world } = await readWorld(folder);
    await removeContainer(podman, world, containerName(world, machine));
    await removeVolume(podman, world, homeDiskName(world, machine));
    await rm(join(folder, "machines", machine), { recursive: true, force: true });
  }
}

/** A virtual machine or a disk on a Mac. */
export interface LeftOnMac {
  readonly kind: "virtual machine" | "Lima disk";
  readonly name: string;
  readonly mac: string;
}

/** What `limactl list` and `limactl disk list` would show, on all Macs. */
export async function leftOnMacs(folder: string): Promise<readonly LeftOnMac[]> {
  const machines = await macMachines(folder);
  return (await Promise.all(machines.map((machine) => leftOn(folder, machine)))).flat();
}

async function leftOn(folder: string, machine: string): Promise<readonly LeftOnMac[]> {
  const mac = machine.slice(macMachine("").length);
  const { home } = macFolders(folder, mac);
  const names = async (path: string): Promise<string[]> =>
    (await readdir(path).catch(() => [])).filter((it) => /^[^._]/.test(it)).sort();
  return [
    ...(await names(home)).map((name) => ({ kind: "virtual machine", name, mac }) as const),
    ...(await names(join(home, "_disks"))).map((name) => ({ kind: "Lima disk", name, mac }) as const),
  ];
}

async function macMachines(folder: string): Promise<string[]> {
  const machines = await readdir(join(folder, "machines")).catch(() => []);
  return machines.filter((machine) => existsSync(orderFile(folder, machine))).sort();
}

function orderFile(folder: string, machine: string): string {
  return join(folder, "machines", machine, "mac.json");
}
