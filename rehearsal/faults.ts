/** What can go wrong in a rehearsal because somebody ordered it: calls of the clouds that fail, machines that are lost, in the cloud, on a Mac and on libvirt. */
import { InputError, didYouMean } from "../cli/errors.ts";
import { openAccount } from "./clouds/aws/account.ts";
import { openAwsBooks } from "./clouds/aws/books.ts";
import { awsFaults, awsOperations } from "./clouds/aws/faults.ts";
import { deleteInstance } from "./clouds/aws/service/instances.ts";
import { type Fault, Faults, type MetFault } from "./clouds/shared/faults.ts";
import { tailscaleFaults, tailscaleOperations } from "./clouds/tailscale/operations.ts";
import { type Guest, byHand, limaGuests } from "./lima/guests.ts";
import { LibvirtGuests, libvirtGuests } from "./libvirt/guests.ts";
import { MachineFaults, type MachineState } from "./machines/machine-faults.ts";
import { PodmanMachines } from "./machines/podman-machines.ts";
import { findWorld, type World } from "./world.ts";

/** What can be done to a machine. */
export const machineFaults = ["stop", "start", "restart", "kill", "delete", "cut", "mend"] as const;
export type MachineFaultName = (typeof machineFaults)[number];

/** Every call of the stand-in clouds that can be told to fail. */
export const faultOperations: readonly string[] = [...awsOperations, ...tailscaleOperations];

/** A fault as one orders it; any text, which {@link RehearsedFaults.add} judges. */
export interface FaultRequest {
  readonly operation: string;
  /** Part of the name of what the call is about. @default every one is meant */
  readonly match?: string | undefined;
  readonly error: string | undefined;
  /** How many calls meet it. @default 1 */
  readonly times?: number | undefined;
}

/** What there is of faults, and how the machines are. */
export interface FaultReport {
  readonly pending: readonly Fault[];
  readonly met: readonly MetFault[];
  readonly machines: readonly { readonly node: string; readonly state: MachineState }[];
}

/** The errors that a call knows; `undefined` for a call that nobody makes. */
function knownErrors(operation: string): readonly string[] | undefined {
  const known = awsOperations.find((it) => it === operation);
  if (known !== undefined) return awsFaults(known);
  return tailscaleOperations.includes(operation) ? tailscaleFaults : undefined;
}

/** The order, checked. @throws InputError naming all that is wrong with it */
export function faultOrder({ operation, match, error, times = 1 }: FaultRequest): Fault {
  const errors = knownErrors(operation);
  const problems: string[] = [];
  if (errors === undefined) {
    problems.push(
      `[operation] must be a call of the stand-in clouds, got "${operation}"${didYouMean(operation, faultOperations)}; there are: ${faultOperations.join(", ")}`,
    );
  } else if (error === undefined || !errors.includes(error)) {
    const got = error === undefined ? "nothing" : `"${error}"${didYouMean(error, errors)}`;
    problems.push(`\`--error\` of ${operation} must be one of ${errors.join(", ")}, got ${got}`);
  }
  if (!Number.isInteger(times) || times < 1) {
    problems.push(`\`--times\` must be a whole number above 0, got ${String(times)}`);
  }
  if (match === "") problems.push(`\`--match\` must be part of a name, got ""`);
  if (error === undefined || problems.length > 0) throw new InputError(problems.join("\n"));
  return { operation, error, times, ...(match === undefined ? {} : { match }) };
}

/** The faults of the rehearsal in a folder, whether it runs or not. */
export class RehearsedFaults {
  readonly #folder: string;
  readonly #faults: Faults;
  readonly #machines: MachineFaults;
  readonly #libvirt: LibvirtGuests;

  constructor(
    folder: string,
    machines = new MachineFaults(folder),
    libvirt: LibvirtGuests = new LibvirtGuests(folder),
  ) {
    this.#folder = folder;
    this.#faults = new Faults(folder);
    this.#machines = machines;
    this.#libvirt = libvirt;
  }

  /** True where a rehearsal was started, if only for a preview. */
  async exists(): Promise<boolean> {
    return (await findWorld(this.#folder)) !== undefined;
  }

  /** Orders a fault. @throws InputError naming all that is wrong with it */
  async add(request: FaultRequest): Promise<Fault> {
    const order = faultOrder(request);
    await this.#faults.add(order);
    return order;
  }

  /** Forgets those that are still to be met, and what was met; machines stay as they are. */
  async clear(): Promise<void> {
    await this.#faults.clear();
  }

  async report(): Promise<FaultReport> {
    const guests = [...(await limaGuests(this.#folder))].map(
      ([node, { machine }]) => [node, machine] as const,
    );
    const machines = await Promise.all(
      [...(await this.#instances()), ...guests].map(async ([node, machine]) => ({
        node,
        state: await this.#machines.state(machine),
      })),
    );
    const virtual = await Promise.all(
      [...(await libvirtGuests(this.#folder))].map(async ([node, machine]) => ({
        node,
        state: await this.#libvirt.state(machine),
      })),
    );
    return {
      pending: await this.#faults.pending(),
      met: await this.#faults.met(),
      machines: [...machines, ...virtual],
    };
  }

  /**
   * Does it to a node's machine.
   *
   * @returns where that is
   * @throws InputError for a node that has none
   */
  async strike(fault: MachineFaultName, node: string): Promise<"cloud" | "mac" | "libvirt"> {
    const [instances, guests] = [await this.#instances(), await limaGuests(this.#folder)];
    const virtual = await libvirtGuests(this.#folder);
    const [instance, guest, machine] = [instances.get(node), guests.get(node), virtual.get(node)];
    if (guest !== undefined) await this.#strikeGuest(fault, guest);
    else if (machine !== undefined) await this.#libvirt.strike(fault, machine);
    else if (instance === undefined) {
      const names = [...instances.keys(), ...guests.keys(), ...virtual.keys()];
      const known = names.length === 0 ? "a node with a machine; there is none" : names.join(", ");
      throw new InputError(`[node] must be one of ${known}, got "${node}"${didYouMean(node, names)}`);
    } else if (fault === "delete") await this.#delete(instance);
    else await this.#machines[fault](instance);
    if (guest !== undefined) return "mac";
    return machine === undefined ? "cloud" : "libvirt";
  }

  /** On its Mac, by hand; its power and its cable are out of Lima's sight. */
  async #strikeGuest(fault: MachineFaultName, guest: Guest): Promise<void> {
    if (fault === "kill" || fault === "cut" || fault === "mend") await this.#machines[fault](guest.machine);
    else await byHand(this.#folder, guest, fault);
  }

  /** As in AWS's console: without a word to Pulumi. */
  async #delete(instance: string): Promise<void> {
    const account = openAccount(this.#folder, new PodmanMachines(this.#folder));
    const world: World | undefined = await findWorld(this.#folder);
    await deleteInstance(account, world?.region ?? "", instance);
  }

  /** Node -> instance. */
  async #instances(): Promise<ReadonlyMap<string, string>> {
    const { instances } = await openAwsBooks(this.#folder).read();
    return new Map(
      Object.entries(instances).map(([name, { tags }]) => [tags["homespan.node"] ?? name, name]),
    );
  }
}
