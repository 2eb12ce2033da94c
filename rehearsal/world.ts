/**
 * The world of one rehearsal: a folder that holds what its parts remember, the private network of the rehearsed cloud, and
 * a range of public addresses that lead into it. It lasts from {@link makeWorld} to {@link removeWorld}.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { clusterObjectName } from "../components/render/names.ts";
import { nftables, type Firewall } from "../provider/effects/firewall.ts";
import { CLUSTER_LABEL, type Podman, PodmanProgram } from "../provider/effects/podman.ts";
import { CommandError, type Run, runProcess } from "../provider/effects/process.ts";
import { removeContainer, removeNetwork, removeVolume } from "../provider/effects/removal.ts";
import { objectNames, ownObject } from "../provider/logic/ownership.ts";
import { withLock } from "../toolchain/locks.ts";
import { freeRanges, publicLabel } from "./machines/addresses.ts";
import { applyCloudRules } from "./machines/cloud-network.ts";

const schema = z.strictObject({
  /** Name of the rehearsal; all its Podman objects carry it in name and label. */
  world: z.string().regex(/^[a-z][a-z0-9-]*$/),
  /** The rehearsed cloud's region. */
  region: z.string(),
  /** The cloud's private network. Host numbers 2 to 15 are for what else a rehearsal runs in it, the others for machines. */
  network: z.strictObject({ name: z.string(), subnet: z.string(), gateway: z.string() }),
  /** Public addresses, a /24. */
  publicRange: z.string(),
  /** Names that all machines know without asking anyone -> IPv4 address. */
  hosts: z.record(z.string(), z.string()).default({}),
  /** PEM file with certificates that machines trust beside those of their system. */
  caFile: z.union([z.string(), z.undefined()]).optional(),
  /** Folder of image archives that k3s on the machines loads, for a world without an image registry. */
  imagesDirectory: z.string().optional(),
});

export type World = z.infer<typeof schema>;

/** What may be changed of a world; machines made from then on see it. */
export type WorldSettings = Partial<Pick<World, "hosts" | "imagesDirectory">> & {
  readonly caFile?: string | undefined;
};

/** What a world does to this machine. */
export interface WorldEffects {
  readonly podman: Podman;
  readonly firewall: Firewall;
  readonly run: Run;
}

/** The real ones. */
export function worldEffects(): WorldEffects {
  return { podman: new PodmanProgram(runProcess), firewall: nftables(runProcess), run: runProcess };
}

/**
 * The folder of the rehearsal this process is part of.
 *
 * @throws Error outside of a rehearsal
 */
export function rehearsalFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const folder = environment["HOMESPAN_REHEARSAL"];
  if (folder !== undefined && folder !== "") return folder;
  throw new Error("`HOMESPAN_REHEARSAL` must name the folder of a rehearsal, got none");
}

/**
 * Makes the world, or what is missing of it: also after a restart of this machine, which forgets rules.
 *
 * @throws Error when the folder is another world's
 */
export async function makeWorld(
  folder: string,
  wanted: Pick<World, "world" | "region"> & WorldSettings,
  effects: WorldEffects = worldEffects(),
): Promise<World> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  return withLock(folder, "world", async () => {
    const known = await findWorld(folder);
    if (known !== undefined && known.world !== wanted.world) {
      throw new Error(`${folder} must be free or of the world ${wanted.world}, got that of ${known.world}`);
    }
    const network = await ensureNetwork(wanted.world, effects);
    const world: World = { ...known, hosts: known?.hosts ?? {}, ...wanted, ...network };
    await writeWorld(folder, world);
    await applyCloudRules(folder, world, effects);
    return world;
  });
}

/** `undefined` when there is none in the folder. */
export async function findWorld(folder: string): Promise<World | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(join(folder, "world.json"), "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** @throws Error when there is none in the folder */
export async function readWorld(folder: string): Promise<World> {
  const world = await findWorld(folder);
  if (world !== undefined) return world;
  throw new Error(`${folder} must hold a rehearsal's world, found none`);
}

/** Changes settings of the world; those that are not named stay. */
export function changeWorld(folder: string, settings: WorldSettings): Promise<World> {
  return withLock(folder, "world", async () => {
    const world = { ...(await readWorld(folder)), ...settings };
    await writeWorld(folder, world);
    return world;
  });
}

/**
 * Removes everything of the world from this machine, also what no book tells of; the folder stays, without the world.
 * Succeeds when it is gone already.
 */
export async function removeWorld(
  folder: string,
  world: string,
  effects: WorldEffects = worldEffects(),
): Promise<void> {
  const { podman, firewall } = effects;
  const ours = <T extends { readonly labels: Readonly<Record<string, string>> }>(
    objects: readonly T[],
  ): T[] => objects.filter(({ labels }) => labels[CLUSTER_LABEL] === world);
  for (const pod of ours(await podman.list("pods"))) {
    await podman.command(["pod", "rm", "--force", "--ignore", "--time", "0", pod.name]);
  }
  const containers = ours(await podman.list("containers"));
  await Promise.all(containers.map(({ name }) => removeContainer(podman, world, name)));
  for (const { name } of ours(await podman.list("volumes"))) await removeVolume(podman, world, name);
  for (const { name } of ours(await podman.list("networks"))) await removeNetwork(podman, world, name);
  for (const site of ["cloud", "home"]) await firewall.remove(objectNames.firewallTable(world, site));
  for (const name of ["world.json", "machines.json", "machines"]) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function ensureNetwork(
  world: string,
  { podman, run }: WorldEffects,
): Promise<Pick<World, "network" | "publicRange">> {
  const name = clusterObjectName(world, "cloud");
  const networks = await podman.list("networks");
  const found = ownObject("network", networks, name, world);
  if (found !== undefined) return described(found);
  const routes = await run("ip", ["-json", "-4", "route", "show", "table", "all"]);
  for (const range of freeRanges(networks, routes.stdout)) {
    const labels = { [CLUSTER_LABEL]: world, [publicLabel]: range.publicRange };
    try {
      await podman.command([
        ...["network", "create"],
        ...Object.entries(labels).map(([key, value]) => `--label=${key}=${value}`),
        ...["--subnet", range.subnet, "--gateway", range.gateway, "--ip-range", range.servicesRange],
        // Names are a matter of the internet's servers, and of the rehearsal's `hosts`.
        ...["--disable-dns", name],
      ]);
      return described({ name, labels, ...range });
    } catch (error) {
      // Another rehearsal may have been faster.
      if (!(error instanceof CommandError && /already (being )?used/i.test(error.message))) throw error;
    }
  }
  throw new Error("a rehearsal needs a free network out of 172.26.0.0/16, and all are taken");
}

function described(network: {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly subnet: string;
  readonly gateway: string;
}): Pick<World, "network" | "publicRange"> {
  const publicRange = network.labels[publicLabel];
  if (publicRange === undefined)
    throw new Error(`network ${network.name} must have the label ${publicLabel}`);
  const { name, subnet, gateway } = network;
  return { network: { name, subnet, gateway }, publicRange };
}

async function writeWorld(folder: string, world: World): Promise<void> {
  const path = join(folder, "world.json");
  const draft = `${path}.${String(process.pid)}`;
  await writeFile(draft, `${JSON.stringify(world, undefined, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}
