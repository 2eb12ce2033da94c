/**
 * The router at home, for virtual machines: a container that gives them their addresses by DHCP, each the one that is reserved
 * for it, and has by HTTP what a machine of this world knows, and the image. As long as it is there, so is the network's bridge.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hostAddress } from "../../components/render/address.ts";
import { clusterObjectName } from "../../components/render/names.ts";
import { images } from "../../components/upstream/images.ts";
import { CLUSTER_LABEL } from "../../provider/effects/podman.ts";
import { removeContainer } from "../../provider/effects/removal.ts";
import { fixedAddress } from "../../provider/logic/fixed-address.ts";
import { ownObject } from "../../provider/logic/ownership.ts";
import type { HomeNetwork } from "../machines/home-container.ts";
import type { World, WorldEffects } from "../world.ts";
import { homeNumbers, libvirtFiles } from "./names.ts";

/** An address that is reserved. */
export interface Reservation {
  readonly mac: string;
  readonly address: string;
}

export interface RouterOrder {
  readonly network: HomeNetwork;
  readonly reservations: readonly Reservation[];
  /** Folder with a folder for each version of the image. */
  readonly imageStore: string;
}

/** Where the container has what it is given. */
const inside = { router: "/etc/router", root: "/srv" } as const;

/** Both are busybox's. Name servers are those that Podman gives the container, which are this machine's. */
const script = [
  `httpd -h ${inside.root}`,
  ": >/tmp/leases",
  `sed -n 's/^nameserver \\([0-9.]*\\)$/opt dns \\1/p' /etc/resolv.conf | cat ${inside.router}/udhcpd.conf - >/tmp/udhcpd.conf`,
  "exec udhcpd -f /tmp/udhcpd.conf",
].join("; ");

/** https://git.busybox.net/busybox/tree/examples/udhcp/udhcpd.conf */
export function renderDhcp({
  network: { subnet, gateway },
  reservations,
}: Pick<RouterOrder, "network" | "reservations">): string {
  const { first, last } = homeNumbers.strangers;
  const sorted = [...reservations].sort((one, other) => one.mac.localeCompare(other.mac));
  return [
    "interface eth0",
    `start ${hostAddress(subnet, first)}`,
    `end ${hostAddress(subnet, last)}`,
    "lease_file /tmp/leases",
    "pidfile /tmp/udhcpd.pid",
    `opt subnet ${netmask(subnet)}`,
    `opt router ${gateway}`,
    // Ten days: longer than a rehearsal.
    "opt lease 864000",
    ...sorted.map(({ mac, address }) => `static_lease ${mac} ${address}`),
    "",
  ].join("\n");
}

/** Arguments of `podman run`. */
export function routerArguments(
  folder: string,
  world: World,
  { network, imageStore }: RouterOrder,
): string[] {
  const { router, world: facts } = libvirtFiles(folder);
  const { imagesDirectory } = world;
  return [
    ...["--pull=never", "--restart=always", `--name=${routerContainer(world.world)}`],
    `--label=${CLUSTER_LABEL}=${world.world}`,
    `--network=${fixedAddress(network.name, routerAddress(network))},interface_name=eth0`,
    // Its uplink: machines at home find this machine's mirror in the cloud's network, which is there with the first container in it.
    `--network=${world.network.name}:interface_name=eth1`,
    // It answers who has no address yet.
    "--cap-add=NET_RAW",
    "--tmpfs=/tmp",
    `--volume=${router}:${inside.router}:ro`,
    `--volume=${facts}:${inside.root}/world:ro`,
    `--volume=${imageStore}:${inside.root}/flatcar:ro`,
    ...(imagesDirectory === undefined ? [] : [`--volume=${imagesDirectory}:${inside.root}/images:ro`]),
    images.busybox,
    ...["sh", "-c", script],
  ];
}

/** Makes it, or lets it know what is new. */
export async function ensureRouter(
  folder: string,
  world: World,
  order: RouterOrder,
  effects: Pick<WorldEffects, "podman">,
): Promise<void> {
  const { podman } = effects;
  const files = libvirtFiles(folder);
  await writeFacts(files.world, world);
  const changed = await write(join(files.router, "udhcpd.conf"), renderDhcp(order));
  const name = routerContainer(world.world);
  const args = routerArguments(folder, world, order);
  const made = createHash("sha256").update(args.join("\0")).digest("hex").slice(0, 16);
  const found = ownObject("container", await podman.list("containers"), name, world.world);
  if (found !== undefined && found.labels[madeLabel] === made) {
    if (!found.running) await podman.command(["start", name]);
    else if (changed) await podman.command(["restart", "--time=1", name]);
    return;
  }
  await removeContainer(podman, world.world, name);
  await podman.command(["run", "--detach", `--label=${madeLabel}=${made}`, ...args]);
}

/** Where it is found at home. */
export function routerAddress({ subnet }: Pick<HomeNetwork, "subnet">): string {
  return hostAddress(subnet, homeNumbers.router);
}

/** A directory with the image, its signature and its key, as one of Flatcar's mirrors. */
export function imageMirror(network: Pick<HomeNetwork, "subnet">, version: string): string {
  return `http://${routerAddress(network)}/flatcar/${version}`;
}

export function routerContainer(world: string): string {
  return clusterObjectName(world, "router");
}

/** What a container was made with. */
const madeLabel = "homespan.made-with";

/** In the form in which the guest of images/vm asks for it. */
async function writeFacts(folder: string, { hosts, caFile, imagesDirectory }: World): Promise<void> {
  const certificates = caFile === undefined ? "" : await readFile(caFile, "utf8");
  const archives = imagesDirectory === undefined ? [] : await readdir(imagesDirectory).catch(() => []);
  const lines = (of: readonly string[]): string => of.map((line) => `${line}\n`).join("");
  await write(join(folder, "certificates"), certificates);
  await write(
    join(folder, "hosts"),
    lines(
      Object.entries(hosts)
        .map(([name, address]) => `${address} ${name}`)
        .sort(),
    ),
  );
  await write(join(folder, "images"), lines(archives.filter((name) => /\.tar(\.\w+)?$/.test(name)).sort()));
}

/** In one step; true when it was not so before. */
async function write(file: string, content: string): Promise<boolean> {
  if ((await readFile(file, "utf8").catch(() => undefined)) === content) return false;
  await mkdir(dirname(file), { recursive: true });
  const draft = join(dirname(file), `.${basename(file)}.${String(process.pid)}`);
  await writeFile(draft, content);
  await rename(draft, file);
  return true;
}

function netmask(subnet: string): string {
  const bits = Number(subnet.split("/")[1] ?? "24");
  const mask = (0xffffffff << (32 - bits)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join(".");
}
