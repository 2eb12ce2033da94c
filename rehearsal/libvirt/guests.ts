/** Virtual machines on the libvirt at home by the names of their nodes, and what somebody does to one by hand, with virsh. */
import { macAddress } from "../../components/render/mac-address.ts";
import type { Run } from "../../provider/effects/process.ts";
import type { MachineState } from "../machines/machine-faults.ts";
import { readBook } from "./book.ts";
import { libvirtFiles } from "./names.ts";
import { PrivateLibvirtd } from "./private-libvirtd.ts";

/** What can be done to one. */
export type LibvirtFault = "stop" | "start" | "restart" | "kill" | "delete" | "cut" | "mend";

/** Node -> the machine's name in libvirt, of all that were ordered. */
export async function libvirtGuests(folder: string): Promise<ReadonlyMap<string, string>> {
  const machines = (await readBook(folder))?.machines ?? {};
  return new Map(Object.entries(machines).map(([name, { node }]) => [node, name]));
}

export class LibvirtGuests {
  readonly #libvirtd: PrivateLibvirtd;

  constructor(folder: string, run?: Run) {
    this.#libvirtd = new PrivateLibvirtd(libvirtFiles(folder).daemon, run);
  }

  async state(machine: string): Promise<MachineState> {
    const state = await this.#virsh("domstate", machine).catch(() => undefined);
    if (state === undefined) return "gone";
    if (state !== "running") return "stopped";
    const link = await this.#virsh("domif-getlink", machine, macAddress(machine));
    return / down$/.test(link) ? "cut off" : "running";
  }

  /** Without a word to Pulumi. libvirt's provider switches machines off, too: it asks none to shut down. */
  async strike(fault: LibvirtFault, machine: string): Promise<void> {
    switch (fault) {
      case "start":
        await this.#virsh("start", machine);
        return;
      case "restart":
        await this.#virsh("reset", machine);
        return;
      case "stop":
      case "kill":
        await this.#virsh("destroy", machine, ...(fault === "stop" ? ["--graceful"] : []));
        return;
      case "delete":
        if ((await this.state(machine)) !== "stopped") await this.#virsh("destroy", machine);
        await this.#virsh("undefine", machine);
        return;
      case "cut":
      case "mend":
        await this.#virsh("domif-setlink", machine, macAddress(machine), fault === "cut" ? "down" : "up");
    }
  }

  #virsh(...args: readonly string[]): Promise<string> {
    return this.#libvirtd.virsh(...args);
  }
}
