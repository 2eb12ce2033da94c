/**
 * The libvirt of a rehearsed home: a real libvirtd of the rehearsal's own, whose virtual machines are at home beside all others
 * that are there. It plays every host of virtual machines that a configuration names.
 */
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hostAddress } from "../../components/render/address.ts";
import { removeContainer } from "../../provider/effects/removal.ts";
import { detectMachine } from "../../toolchain/machine.ts";
import { withLock } from "../../toolchain/locks.ts";
import { writeFileWhole } from "../daemon/state.ts";
import { homeNetwork } from "../machines/home-container.ts";
import { findWorld, readWorld, type WorldEffects, worldEffects } from "../world.ts";
import { type LibvirtBook, readBook, reservations, withMachines, writeBook } from "./book.ts";
import type { GuestImage } from "./guest-image.ts";
import { libvirtFiles } from "./names.ts";
import { PrivateLibvirtd } from "./private-libvirtd.ts";
import { ensureRouter, imageMirror, routerContainer } from "./router.ts";
import { type Virtualization, virtualization } from "./virtualization.ts";

/** What a configuration asks of it. */
export interface LibvirtOrder {
  /** Names of storage pools. */
  readonly pools: readonly string[];
  /** Name of a virtual machine in libvirt -> its node. */
  readonly machines: Readonly<Record<string, string>>;
}

/** Where the hosts of a configuration are in the rehearsal. */
export interface HomeLibvirt {
  readonly uri: string;
  readonly type: Virtualization["type"];
  /** The network's bridge on this machine. */
  readonly bridge: string;
  readonly image: {
    readonly sha256: string;
    /** Directory with the image, its signature and its key, over HTTP. */
    readonly mirror: string;
  };
  /** Node -> its address. */
  readonly addresses: Readonly<Record<string, string>>;
  /** False where this machine may not raise limits: libvirt's hard limit of memory needs that. */
  readonly memoryHardLimit: boolean;
}

/** What of it is not in memory in tests. */
export interface HomeParts {
  readonly effects: WorldEffects;
  readonly libvirtd: (folder: string) => Pick<PrivateLibvirtd, "uri" | "start" | "ensurePool" | "end">;
  readonly virtualization: () => Promise<Virtualization>;
}

export function homeParts(): HomeParts {
  return {
    effects: worldEffects(),
    libvirtd: (folder) => new PrivateLibvirtd(folder),
    virtualization: () => virtualization(),
  };
}

/** Starts it with what is ordered, beside what was; what runs goes on. */
export async function startLibvirt(
  folder: string,
  order: LibvirtOrder,
  image: Pick<GuestImage, "store" | "version" | "sha256" | "fingerprint">,
  host: HomeParts = homeParts(),
): Promise<HomeLibvirt> {
  const book = await withLock(join(folder, "locks"), "libvirt", async () => {
    const known = await readBook(folder);
    const { store, version, sha256, fingerprint } = image;
    const ordered: LibvirtBook = {
      type: known?.type ?? (await usableType(host)),
      pools: [...new Set([...(known?.pools ?? []), ...order.pools])].sort(),
      image: { store, version, sha256, fingerprint },
      machines: withMachines(known?.machines ?? {}, order.machines),
    };
    await writeBook(folder, ordered);
    return ordered;
  });
  const { uri, bridge, subnet } = await run(folder, book, host);
  return {
    uri,
    type: book.type,
    bridge,
    image: { sha256: image.sha256, mirror: imageMirror({ subnet }, image.version) },
    addresses: Object.fromEntries(
      Object.keys(order.machines).flatMap((name) => {
        const machine = book.machines[name];
        return machine === undefined ? [] : [[machine.node, hostAddress(subnet, machine.number)]];
      }),
    ),
    memoryHardLimit: detectMachine().sysResource,
  };
}

/** Brings back what a restart of this machine took, or a kill of libvirtd. */
export async function wakeLibvirt(folder: string, host: HomeParts = homeParts()): Promise<void> {
  const book = await readBook(folder);
  if (book !== undefined) await run(folder, book, host);
}

/** What is left in libvirt. */
export interface LeftInLibvirt {
  readonly kind: "virtual machine" | "volume";
  readonly name: string;
}

/** What `virsh list --all` and `virsh vol-list` would show, whether libvirt runs or not. */
export async function leftInLibvirt(folder: string): Promise<readonly LeftInLibvirt[]> {
  const { daemon } = libvirtFiles(folder);
  const files = async (path: string): Promise<string[]> =>
    (await readdir(path, { withFileTypes: true }).catch(() => []))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort();
  const definitions = (await files(join(daemon, "etc/qemu"))).filter((name) => name.endsWith(".xml"));
  const pools = (await readBook(folder))?.pools ?? [];
  const volumes = await Promise.all(pools.map((pool) => files(join(daemon, "var/images", pool))));
  return [
    ...definitions.map((file) => ({ kind: "virtual machine", name: file.slice(0, -".xml".length) }) as const),
    ...volumes.flat().map((name) => ({ kind: "volume", name }) as const),
  ];
}

/** Ends it with all that runs in it, and forgets it. Succeeds when it is gone. */
export async function endLibvirt(folder: string, host: HomeParts = homeParts()): Promise<void> {
  const files = libvirtFiles(folder);
  if (!existsSync(files.own)) return;
  await host.libvirtd(files.daemon).end();
  const world = await findWorld(folder);
  if (world !== undefined) {
    await removeContainer(host.effects.podman, world.world, routerContainer(world.world));
  }
  await rm(files.own, { recursive: true, force: true });
}

/** Ends it where it holds nothing. */
export async function endEmptyLibvirt(folder: string, host: HomeParts = homeParts()): Promise<void> {
  if ((await leftInLibvirt(folder)).length === 0) await endLibvirt(folder, host);
}

/**
 * For HOMESPAN_ARTIFACTS: what the rehearsal's mirror has, and that images are signed by the key of the rehearsal's own.
 *
 * @param mirrorFile - what names the mirror's artifacts; "" where there is nothing to mirror
 * @returns a file's path; `mirrorFile` where no virtual machine was ordered
 */
export async function libvirtArtifacts(folder: string, mirrorFile: string): Promise<string> {
  const book = await readBook(folder);
  if (book === undefined) return mirrorFile;
  const mirror = mirrorFile === "" ? {} : (JSON.parse(await readFile(mirrorFile, "utf8")) as object);
  const { artifacts } = libvirtFiles(folder);
  const all = { ...mirror, flatcar: { fingerprint: book.image.fingerprint } };
  const text = `${JSON.stringify(all, undefined, 2)}\n`;
  const known = await readFile(artifacts, "utf8").catch(() => "");
  if (known !== text) await writeFileWhole(artifacts, text);
  return artifacts;
}

/** The router first: with it comes the bridge, and machines that start by themselves need both. */
async function run(
  folder: string,
  { type, pools, image, machines }: LibvirtBook,
  { effects, libvirtd: make }: HomeParts,
): Promise<{ readonly uri: string; readonly bridge: string; readonly subnet: string }> {
  const world = await readWorld(folder);
  const network = await homeNetwork(world, effects);
  const { subnet } = network;
  const order = { network, reservations: reservations(machines, subnet), imageStore: image.store };
  await ensureRouter(folder, world, order, effects);
  const libvirtd = make(libvirtFiles(folder).daemon);
  await libvirtd.start(type);
  for (const pool of pools) await libvirtd.ensurePool(pool);
  return { uri: libvirtd.uri, bridge: await bridgeOf(network.name, effects), subnet };
}

const inspected = z.tuple([z.object({ network_interface: z.string() })]);

async function bridgeOf(network: string, { podman }: WorldEffects): Promise<string> {
  const [found] = inspected.parse(JSON.parse(await podman.command(["network", "inspect", network])));
  return found.network_interface;
}

/** No configuration of a host says what its machines must not see of the processor. */
async function usableType({ virtualization: find }: HomeParts): Promise<Virtualization["type"]> {
  const { type, hiddenCpuFeatures } = await find();
  return hiddenCpuFeatures.length === 0 ? type : "qemu";
}
