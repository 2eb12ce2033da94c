/** A box at home that no cloud made, as its owner has set it up: a user with a key. */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readWorld, type WorldEffects, worldEffects } from "../world.ts";
import { type MachineAtHome, startAtHome } from "./home-container.ts";
import { renderSeed } from "./seed.ts";
import { ed25519KeyPair } from "./ssh-key-pair.ts";

/** Where its owner reaches it. */
export interface HomeMachine {
  readonly container: string;
  readonly address: string;
  /** May use sudo without a password. */
  readonly user: string;
}

/** What its owner has made of it. */
export type OwnedMachine = Pick<MachineAtHome, "machine" | "hostName" | "user" | "volumes"> & {
  /** What runs at its first boot. @default nothing */
  readonly firstBoot?: string;
};

const startSeconds = 60;
const box: OwnedMachine = { machine: "home", hostName: "home-box", user: "pi" };

/** Key of the machines' owner, in the rehearsal's folder. */
export function homeKeyFile(folder: string): string {
  return join(folder, "home-key");
}

/** Makes and starts the machine, or starts it again; returns when it lets its owner in. */
export async function startHomeMachine(
  folder: string,
  effects: WorldEffects = worldEffects(),
  { firstBoot = "#!/bin/sh\n", ...machine }: OwnedMachine = box,
): Promise<HomeMachine> {
  const { hostName, user } = machine;
  const given = { instanceId: machine.machine, hostName, publicKey: await ownersKey(folder) };
  const { "meta-data": metaData } = renderSeed({ ...given, userData: "", authority: "" });
  // Nobody gives this machine user-data, nor a cloud's preamble to it.
  const seed = { "meta-data": metaData, "user-data": firstBoot };
  const world = await readWorld(folder);
  const running = await startAtHome(folder, world, { ...machine, seed }, effects);
  await letsIn(running.container, user, effects);
  return { ...running, user };
}

/** The public half; the pair is made when there is none. */
async function ownersKey(folder: string): Promise<string> {
  const file = homeKeyFile(folder);
  if (!existsSync(file)) {
    const pair = ed25519KeyPair("owner");
    await writeFile(`${file}.pub`, `${pair.public.trim()}\n`);
    await writeFile(file, pair.private, { mode: 0o600 });
  }
  return (await readFile(`${file}.pub`, "utf8")).trim();
}

async function letsIn(container: string, user: string, { podman }: WorldEffects): Promise<void> {
  const end = Date.now() + startSeconds * 1000;
  const ready = `systemctl is-active --quiet ssh.service && test -s /home/${user}/.ssh/authorized_keys && test -e /var/lib/cloud/instance/boot-finished`;
  while ((await podman.exec(container, ["sh", "-c", ready])).code !== 0) {
    if (Date.now() > end) throw new Error(`${container} did not start within ${String(startSeconds)} s`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
