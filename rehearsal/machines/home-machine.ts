/**
 * A machine of the rehearsed world that no cloud made: a box at home, behind a router. It stands in a network of its own, goes
 * out by translation of its address, and from the cloud no connection to it can be opened. This machine, which runs Pulumi,
 * is in the same home.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ssh2 from "ssh2";
import { clusterObjectName } from "../../components/render/names.ts";
import type { Restrictions } from "../../components/render/restrictions.ts";
import { CLUSTER_LABEL } from "../../provider/effects/podman.ts";
import { objectNames, ownObject } from "../../provider/logic/ownership.ts";
import { siteTable } from "../../provider/logic/site-rule.ts";
import { detectMachine } from "../../toolchain/machine.ts";
import { readWorld, type World, type WorldEffects, worldEffects } from "../world.ts";
import { machineArguments, machineLabel } from "./machine-arguments.ts";
import { MachineDisks } from "./machine-disks.ts";
import { renderSeed } from "./seed.ts";

/** Where its owner reaches it. */
export interface HomeMachine {
  readonly container: string;
  readonly address: string;
  /** May use sudo without a password. */
  readonly user: string;
}

const site = "home";
const user = "pi";
const startSeconds = 60;

/** Key of the machine's owner, in the rehearsal's folder. */
export function homeKeyFile(folder: string): string {
  return join(folder, "home-key");
}

/** Makes and starts the machine, or starts it again; returns when it lets its owner in. */
export async function startHomeMachine(
  folder: string,
  effects: WorldEffects = worldEffects(),
): Promise<HomeMachine> {
  const world = await readWorld(folder);
  const { podman } = effects;
  const network = await homeNetwork(world, effects);
  const container = clusterObjectName(world.world, `machine-${site}`);
  const found = ownObject("container", await podman.list("containers"), container, world.world);
  if (found === undefined) {
    await podman.command(await containerArguments(folder, world, network, container, effects));
  } else if (!found.running) {
    await podman.command(["start", container]);
  }
  const inspected = await podman.command([
    ...["inspect", "--format", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container],
  ]);
  await letsIn(container, effects);
  return { container, address: inspected.trim(), user };
}

/** The network's name; its rule is put in force again each time, as a restart of this machine forgets it. */
async function homeNetwork(world: World, { podman, firewall }: WorldEffects): Promise<string> {
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
  return name;
}

async function containerArguments(
  folder: string,
  world: World,
  network: string,
  container: string,
  effects: WorldEffects,
): Promise<string[]> {
  const machine = join(folder, "machines", site);
  const seed = join(machine, "seed");
  await mkdir(seed, { recursive: true, mode: 0o700 });
  const given = { instanceId: "home", hostName: "home-box", publicKey: await ownersKey(folder) };
  const { "meta-data": metaData } = renderSeed({ ...given, userData: "", authority: "" });
  // Nobody gives this machine user-data, nor a cloud's preamble to it.
  for (const [name, content] of Object.entries({ "meta-data": metaData, "user-data": "#!/bin/sh\n" })) {
    await writeFile(join(seed, name), content, { mode: 0o600 });
  }
  const userFile = join(machine, "user.cfg");
  await writeFile(userFile, `system_info: {default_user: {name: ${user}}}\n`);
  const ownDisk = `${container}-disk`;
  if (ownObject("volume", await effects.podman.list("volumes"), ownDisk, world.world) === undefined) {
    const labels = [`--label=${CLUSTER_LABEL}=${world.world}`, `--label=${machineLabel}=${site}`];
    await effects.podman.command(["volume", "create", ...labels, ownDisk]);
  }
  const { name: disks } = await new MachineDisks(folder, effects).volume(world);
  const { hosts, caFile, imagesDirectory } = world;
  return machineArguments({
    ...{ world: world.world, machine: site, container, network, hostName: "home-box" },
    ...{ ownDisk, disks, seed, user: userFile, hosts, caFile, imagesDirectory },
    restrictions: restrictionsHere(),
  });
}

/** The public half; the pair is made when there is none. */
async function ownersKey(folder: string): Promise<string> {
  const file = homeKeyFile(folder);
  if (!existsSync(file)) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment: "owner" });
    await writeFile(`${file}.pub`, `${pair.public.trim()}\n`);
    await writeFile(file, pair.private, { mode: 0o600 });
  }
  return (await readFile(`${file}.pub`, "utf8")).trim();
}

async function letsIn(container: string, { podman }: WorldEffects): Promise<void> {
  const end = Date.now() + startSeconds * 1000;
  const ready = `systemctl is-active --quiet ssh.service && test -s /home/${user}/.ssh/authorized_keys && test -e /var/lib/cloud/instance/boot-finished`;
  while ((await podman.exec(container, ["sh", "-c", ready])).code !== 0) {
    if (Date.now() > end) throw new Error(`${container} did not start within ${String(startSeconds)} s`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

function restrictionsHere(): Restrictions {
  const { cgroup, sysResource } = detectMachine();
  return { cgroupV1: cgroup === "v1", noSysResource: !sysResource };
}
