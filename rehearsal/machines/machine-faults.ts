/** What happens to a machine behind everyone's back: power, network. Nobody who ordered it is told. */
import { z } from "zod";
import { CommandError } from "../../provider/effects/process.ts";
import { ownObject } from "../../provider/logic/ownership.ts";
import { readWorld, type WorldEffects, worldEffects } from "../world.ts";
import { containerName } from "./machine-arguments.ts";

/** How a machine is. */
export type MachineState = "running" | "stopped" | "cut off" | "gone";

/** Time for systemd to stop its services. */
const STOP_SECONDS = 20;

const links = z.array(z.object({ ifindex: z.number(), ifname: z.string(), flags: z.array(z.string()) }));
type Link = z.output<typeof links>[number];

/** The machines of the world in `folder`, by the name of their instances. */
export class MachineFaults {
  readonly #folder: string;
  readonly #effects: WorldEffects;

  constructor(folder: string, effects: WorldEffects = worldEffects()) {
    this.#folder = folder;
    this.#effects = effects;
  }

  /** As Lightsail's console does it: orderly. */
  async stop(machine: string): Promise<void> {
    await this.#podman(machine, "stop", `--time=${String(STOP_SECONDS)}`);
  }

  /** Starts one that was stopped or killed. */
  async start(machine: string): Promise<void> {
    await this.#podman(machine, "start");
  }

  async restart(machine: string): Promise<void> {
    await this.#podman(machine, "restart", `--time=${String(STOP_SECONDS)}`);
  }

  /** The power fails, until it is started. */
  async kill(machine: string): Promise<void> {
    await this.#podman(machine, "kill");
  }

  /** Nothing reaches it and it reaches nothing, until {@link mend} or a restart of it; its processes run on. */
  async cut(machine: string): Promise<void> {
    await this.#setLink(machine, "down");
  }

  async mend(machine: string): Promise<void> {
    await this.#setLink(machine, "up");
  }

  async state(machine: string): Promise<MachineState> {
    const found = await this.#find(machine);
    if (found === undefined) return "gone";
    if (!found.running) return "stopped";
    return (await this.#link(found.name)).flags.includes("UP") ? "running" : "cut off";
  }

  async #find(machine: string): Promise<{ readonly name: string; readonly running: boolean } | undefined> {
    const world = await readWorld(this.#folder);
    const containers = await this.#effects.podman.list("containers");
    return ownObject("container", containers, containerName(world.world, machine), world.world);
  }

  async #container(machine: string): Promise<{ readonly name: string; readonly running: boolean }> {
    const found = await this.#find(machine);
    if (found === undefined) throw new Error(`the machine of ${machine} is gone: the next up makes another`);
    return found;
  }

  async #podman(machine: string, command: string, ...options: readonly string[]): Promise<void> {
    const { name } = await this.#container(machine);
    await this.#effects.podman.command([command, ...options, name]);
  }

  async #setLink(machine: string, to: "up" | "down"): Promise<void> {
    const { name, running } = await this.#container(machine);
    if (!running) throw new Error(`${machine} must run for that, it is stopped`);
    const { ifname } = await this.#link(name);
    await this.#ip(["link", "set", "dev", ifname, to]);
  }

  /** This machine's end of its cable. What is sent from one machine to the other passes no rule of nftables that could stop it. */
  async #link(container: string): Promise<Link> {
    const told = await this.#effects.podman.exec(container, ["cat", "/sys/class/net/eth0/iflink"]);
    if (told.code !== 0) throw new CommandError(`looking for the network of ${container}`, told);
    const index = Number(told.stdout.trim());
    const found = links
      .parse(JSON.parse(await this.#ip(["-json", "link", "show"])))
      .find(({ ifindex }) => ifindex === index);
    if (found === undefined)
      throw new Error(`the network of ${container} must be a cable of this machine, found none`);
    return found;
  }

  async #ip(args: readonly string[]): Promise<string> {
    const finished = await this.#effects.run("ip", args);
    if (finished.code !== 0) throw new CommandError(`ip ${args.join(" ")}`, finished);
    return finished.stdout;
  }
}
