/** The virtual machines of rehearsed Macs by the names of their nodes, and what somebody does to one by hand. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { CommandError } from "../../provider/effects/process.ts";
import { containerName } from "../machines/machine-arguments.ts";
import { type WorldEffects, readWorld, worldEffects } from "../world.ts";
import { type MacOrder, macOrders } from "./mac-machine.ts";
import { limaMachine, macFolders, macMachine } from "./names.ts";

/** A node's virtual machine. */
export interface Guest {
  readonly mac: MacOrder;
  /** Of the instance, in Lima. */
  readonly name: string;
  /** In the rehearsal's sense. */
  readonly machine: string;
}

/** Node -> its virtual machine, by what Homespan wrote into Lima's message. */
export async function limaGuests(folder: string): Promise<ReadonlyMap<string, Guest>> {
  const guests = new Map<string, Guest>();
  for (const mac of await macOrders(folder)) {
    const { home } = macFolders(folder, mac.name);
    for (const name of await readdir(home).catch(() => [])) {
      const text = await readFile(join(home, name, "lima.yaml"), "utf8").catch(() => "");
      const { message } = (parse(text) ?? {}) as { readonly message?: string };
      const [, node] = /^Homespan: (\S+) of cluster /.exec(message ?? "") ?? [];
      if (node !== undefined) guests.set(node, { mac, name, machine: limaMachine({ mac: mac.name, name }) });
    }
  }
  return guests;
}

/** What its owner does on the Mac. Without a word to Pulumi. */
export async function byHand(
  folder: string,
  { mac, name }: Guest,
  order: "stop" | "start" | "restart" | "delete",
  effects: WorldEffects = worldEffects(),
): Promise<void> {
  const { world } = await readWorld(folder);
  const limactl = async (...args: readonly string[]): Promise<void> => {
    const home = `HOME=/home/${mac.user}`;
    const argv = ["runuser", "-u", mac.user, "--", "env", home, `USER=${mac.user}`, "/usr/local/bin/limactl"];
    const container = containerName(world, macMachine(mac.name));
    const finished = await effects.podman.exec(container, [...argv, ...args], { timeoutSeconds: 300 });
    if (finished.code !== 0) throw new CommandError(`limactl ${args.join(" ")} on ${mac.name}`, finished);
  };
  if (order === "stop" || order === "restart") await limactl("stop", name);
  if (order === "start" || order === "restart") await limactl("--tty=false", "start", name);
  if (order === "delete") await limactl("delete", "--force", name);
}
