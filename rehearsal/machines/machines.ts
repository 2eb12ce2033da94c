/**
 * What a stand-in cloud asks of the machines behind its instances. The cloud keeps books of what its customers ordered;
 * whoever implements this makes it real (rehearsal/README.md).
 *
 * Every call may be made by several processes at the same time, and again after a process was killed in the middle of it:
 * each is idempotent, and a call that failed leaves nothing that keeps the next one from succeeding. Making the object that
 * implements this must touch nothing: a preview makes one too, and calls none of its methods but `find`.
 */

/** An order for a machine. */
export interface MachineSpec {
  /** Unique in the rehearsal, 2 to 255 letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** Availability zone, `eu-central-1a`. */
  readonly zone: string;
  /** Operating system, `debian_12`: an id of lightsailBlueprints. */
  readonly blueprintId: string;
  /** Size, `medium_3_0`. */
  readonly bundleId: string;
  /** Handed to cloud-init as it is. */
  readonly userData: string;
  /** `ssh-rsa AAAA... comment`, for the blueprint's user; `undefined`: nobody can log in by SSH. */
  readonly publicKey: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** Where a machine is reached. */
export interface MachineAddresses {
  /** IPv4 address in the cloud's private network; stays the same for the machine's life. */
  readonly privateAddress: string;
  /** IPv4 address that is translated to the private one. */
  readonly publicAddress: string;
}

/** A machine that exists. */
export interface FoundMachine extends MachineAddresses {
  readonly running: boolean;
}

/** Who may reach which ports of a machine; what no rule names is closed. */
export interface PortRule {
  /** First port; for `icmp` and `icmpv6` the type, with -1 for all. */
  readonly fromPort: number;
  /** Last port, itself open; for `icmp` and `icmpv6` the code, with -1 for all. */
  readonly toPort: number;
  readonly protocol: "tcp" | "udp" | "all" | "icmp" | "icmpv6";
  /** IPv4 sources in CIDR notation. */
  readonly cidrs: readonly string[];
  /** IPv6 sources in CIDR notation; a rehearsal's public network is IPv4 alone, so these open nothing in it. */
  readonly ipv6Cidrs: readonly string[];
}

/** An order for a disk. */
export interface DiskSpec {
  /** Unique in the rehearsal. */
  readonly name: string;
  readonly zone: string;
  readonly sizeGiB: number;
}

/**
 * Public addresses come from the world's `publicRange` (a /24): those of machines without a static address are picked by
 * who implements this, host numbers 1 to 127; static ones by the cloud's books, 128 to 254.
 */
export interface Machines {
  /**
   * Makes and starts a machine, with a public address of its own choice and all ports closed. Returns when the machine has
   * started, not when its user-data is done. A machine of that name that exists already is kept and started.
   */
  create(spec: MachineSpec, signal: AbortSignal): Promise<MachineAddresses>;
  /** Removes a machine; disks attached to it are kept, detached. Succeeds when it is already gone. */
  remove(name: string): Promise<void>;
  /** `undefined`: there is no such machine. Starts nothing, and needs nothing that runs. */
  find(name: string): Promise<FoundMachine | undefined>;
  /** Gives the machine this public address; `undefined` takes it away again for one of its own choice. Returns the one it has then. */
  setAddress(name: string, publicAddress: string | undefined): Promise<string>;
  /** Replaces all rules of the machine's firewall. Established connections that no rule allows any more are cut. */
  openPorts(name: string, rules: readonly PortRule[]): Promise<void>;
  /** Makes an empty disk. One of that name that exists already is kept with what is on it. */
  createDisk(spec: DiskSpec): Promise<void>;
  /** Removes a disk with what is on it. Succeeds when it is already gone. */
  removeDisk(name: string): Promise<void>;
  /** The disk appears as a block device, or whatever the machine's boot files take for one, at `path` (`/dev/xvdf`) while the machine runs. */
  attachDisk(machineName: string, diskName: string, path: string): Promise<void>;
  /**
   * Succeeds when it is not attached. A machine that runs is stopped for it and started again, as AWS's provider does because
   * Lightsail detaches disks from stopped instances alone.
   */
  detachDisk(machineName: string, diskName: string): Promise<void>;
  /** Machines that run, and those to come, know these names of others -> IPv4 address. Repeated for a machine that was started again. */
  know(names: Readonly<Record<string, string>>): Promise<void>;
}
