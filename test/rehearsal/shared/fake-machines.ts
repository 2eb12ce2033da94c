/** Machines that nobody can log in to. */
import type {
  DiskSpec,
  FoundMachine,
  MachineSpec,
  Machines,
  PortRule,
} from "../../../rehearsal/machines/machines.ts";

interface FakeMachine {
  spec: MachineSpec;
  privateAddress: string;
  publicAddress: string;
  rules: readonly PortRule[];
  /** Path -> disk. */
  disks: Record<string, string>;
}

export interface FakeWorld {
  machines: Record<string, FakeMachine>;
  disks: Record<string, DiskSpec>;
  made: number;
}

export class FakeMachines implements Machines {
  readonly #world: FakeWorld = { machines: {}, disks: {}, made: 0 };
  /** What `create` does before it makes anything. */
  onCreate: (name: string) => Promise<void> = () => Promise.resolve();

  /** What `setAddress` does before it sets anything. */
  onSetAddress: () => Promise<void> = () => Promise.resolve();

  /** What `openPorts` does before it opens anything. */
  onOpenPorts: () => Promise<void> = () => Promise.resolve();

  /** As it is now. */
  world(): FakeWorld {
    return structuredClone(this.#world);
  }

  async create(spec: MachineSpec) {
    await this.onCreate(spec.name);
    const world = this.#world;
    world.machines[spec.name] ??= {
      spec,
      privateAddress: `172.26.3.${(world.made += 1) + 15}`,
      publicAddress: `198.18.3.${world.made}`,
      rules: [],
      disks: {},
    };
    const { privateAddress, publicAddress } = this.#machine(spec.name);
    return { privateAddress, publicAddress };
  }

  async remove(name: string): Promise<void> {
    Reflect.deleteProperty(this.#world.machines, name);
  }

  async find(name: string): Promise<FoundMachine | undefined> {
    const found = this.#world.machines[name];
    if (found === undefined) return undefined;
    const { privateAddress, publicAddress } = found;
    return { running: true, privateAddress, publicAddress };
  }

  async setAddress(name: string, publicAddress: string | undefined): Promise<string> {
    await this.onSetAddress();
    const machine = this.#machine(name);
    machine.publicAddress = publicAddress ?? `198.18.3.${(this.#world.made += 1)}`;
    return machine.publicAddress;
  }

  async openPorts(name: string, rules: readonly PortRule[]): Promise<void> {
    await this.onOpenPorts();
    this.#machine(name).rules = rules;
  }

  async createDisk(spec: DiskSpec): Promise<void> {
    this.#world.disks[spec.name] ??= spec;
  }

  async removeDisk(name: string): Promise<void> {
    Reflect.deleteProperty(this.#world.disks, name);
  }

  async attachDisk(machineName: string, diskName: string, path: string): Promise<void> {
    this.#machine(machineName).disks[path] = diskName;
  }

  async detachDisk(machineName: string, diskName: string): Promise<void> {
    const machine = this.#machine(machineName);
    machine.disks = Object.fromEntries(Object.entries(machine.disks).filter(([, disk]) => disk !== diskName));
  }

  /** Names that machines were told. */
  readonly known: Record<string, string> = {};

  async know(names: Readonly<Record<string, string>>): Promise<void> {
    Object.assign(this.known, names);
  }

  #machine(name: string): FakeMachine {
    const machine = this.#world.machines[name];
    if (machine === undefined) throw new Error(`no machine ${name}`);
    return machine;
  }
}
