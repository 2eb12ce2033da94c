/** Questions to libvirt, by `virsh`: nothing is changed here but for what a machine that is gone, or a killed run, has left. */
import type { Finished, Run } from "./process.ts";

/** What a host of virtual machines is asked. */
export interface Libvirt {
  /** What the host has. */
  node(uri: string): Promise<{ readonly memoryMiB: number; readonly cpus: number }>;
  /** True when virtual machines of this type run on it. */
  supports(uri: string, type: string, machine: string): Promise<boolean>;
  domainExists(uri: string, name: string): Promise<boolean>;
  /** What libvirt says of its state, such as `running` and `shut off`; undefined when there is none. */
  domainState(uri: string, uuid: string): Promise<string | undefined>;
  /** Takes the definition of one that is off. */
  undefineDomain(uri: string, uuid: string): Promise<void>;
  /** Names of the volumes; undefined when there is no such pool, or it is not active. */
  volumes(uri: string, pool: string): Promise<readonly string[] | undefined>;
  /**
   * libvirt's own name of a volume, its path in most pools; undefined when there is none.
   *
   * @throws when there is no such pool, or it is not active: nothing is known of the volume then
   */
  volumeKey(uri: string, pool: string, volume: string): Promise<string | undefined>;
  /** With all that it holds; no matter whether it is there. */
  deleteVolume(uri: string, pool: string, volume: string): Promise<void>;
  /** True when there is such a network and it is active. */
  networkActive(uri: string, name: string): Promise<boolean>;
  /** Addresses that a network's DHCP server gives to one machine alone. */
  reservations(uri: string, network: string): Promise<readonly Reservation[]>;
  /** Takes one of them back; no matter whether it is there. */
  forgetReservation(uri: string, network: string, mac: string): Promise<void>;
  /** Names of the host's interfaces, bridges among them; undefined on a host that does not tell of bridges. */
  interfaces(uri: string): Promise<readonly string[] | undefined>;
  /**
   * What tells a volume from another of the same name; undefined when there is none.
   *
   * @throws when its pool is not active
   */
  volumeIdentity(uri: string, pool: string, volume: string): Promise<string | undefined>;
}

export interface Reservation {
  /** Lower case. */
  readonly mac: string;
  readonly address: string;
}

/** True for a name among those of {@link Libvirt.interfaces}, some of which have "_" for what is no letter or digit. */
export function hasInterface(names: readonly string[], name: string): boolean {
  const plain = (text: string): string => text.replaceAll(/[^A-Za-z0-9]/g, "_");
  return names.some((it) => it === name || it === plain(name) || plain(it) === name);
}

/**
 * A host that answers nothing is a reason to stop, one that has no such object an answer. What SSH says of a way to the host follows
 * the first, and may be any words: `error: Cannot recv data: sh: nc: not found`. They are those of virsh and of libvirt's client, in
 * tools/virsh.c and src/rpc of libvirt 9.0, and are read before those of libvirt on the host.
 */
const NO_ANSWER =
  /failed to (re)?connect to the hypervisor|disconnected from .* due to|client socket is closed|connection closed due to keepalive|cannot (recv|write) data|end of file while (reading|writing) data/i;
const ABSENT =
  /(domain|storage vol(ume)?|storage pool|network) not found|no (domain|storage vol|storage pool|network) with|failed to get (domain|pool|vol|network) /i;
/** Of what is in a pool nothing is known then: "storage pool 'x' is not active", or "pool 'x' is not active". */
const INACTIVE = /pool '([^']+)' is not active/;

/** A storage pool that is there, and off. */
class PoolInactive extends Error {
  constructor(uri: string, pool: string) {
    super(`the storage pool ${pool} of ${uri} must be active; start it: virsh -c ${uri} pool-start ${pool}`);
  }
}

export class VirshLibvirt implements Libvirt {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  async node(uri: string): Promise<{ readonly memoryMiB: number; readonly cpus: number }> {
    const text = await this.#ask(uri, ["nodeinfo"]);
    const number = (key: string): number => Number(new RegExp(`^${key}: +(\\d+)`, "m").exec(text)?.[1] ?? 0);
    return { memoryMiB: Math.floor(number("Memory size") / 1024), cpus: number("CPU\\(s\\)") };
  }

  async supports(uri: string, type: string, machine: string): Promise<boolean> {
    const argv = ["domcapabilities", "--virttype", type, "--machine", machine];
    return (await this.#virsh(uri, argv)).code === 0;
  }

  async domainExists(uri: string, name: string): Promise<boolean> {
    return (await this.#find(uri, ["domuuid", name])) !== undefined;
  }

  async domainState(uri: string, uuid: string): Promise<string | undefined> {
    return (await this.#find(uri, ["domstate", uuid]))?.trim();
  }

  async undefineDomain(uri: string, uuid: string): Promise<void> {
    await this.#ask(uri, ["undefine", uuid]);
  }

  async volumes(uri: string, pool: string): Promise<readonly string[] | undefined> {
    try {
      if (!(await this.#refresh(uri, pool))) return undefined;
    } catch (error) {
      if (error instanceof PoolInactive) return undefined;
      throw error;
    }
    const text = await this.#ask(uri, ["vol-list", pool]);
    return text.split("\n").flatMap((line) => /^\s*(\S+)/.exec(line)?.[1] ?? []);
  }

  async volumeKey(uri: string, pool: string, volume: string): Promise<string | undefined> {
    if (!(await this.#refresh(uri, pool))) {
      throw new Error(`${uri} must have the storage pool ${pool}; docs/libvirt.md, step 4, makes one`);
    }
    return (await this.#find(uri, ["vol-key", "--pool", pool, volume]))?.trim();
  }

  async deleteVolume(uri: string, pool: string, volume: string): Promise<void> {
    await this.#find(uri, ["vol-delete", "--pool", pool, volume]);
  }

  async networkActive(uri: string, name: string): Promise<boolean> {
    const text = await this.#find(uri, ["net-info", name]);
    return text !== undefined && /^Active: +yes$/m.test(text);
  }

  async reservations(uri: string, network: string): Promise<readonly Reservation[]> {
    const xml = (await this.#find(uri, ["net-dumpxml", network])) ?? "";
    return [...xml.matchAll(/<host ([^>]*)>/g)].flatMap(([, attributes = ""]) => {
      const of = (key: string): string => new RegExp(`\\b${key}=['"]([^'"]*)`).exec(attributes)?.[1] ?? "";
      // Those of its name server have no Ethernet address.
      return of("mac") === "" ? [] : [{ mac: of("mac").toLowerCase(), address: of("ip") }];
    });
  }

  async forgetReservation(uri: string, network: string, mac: string): Promise<void> {
    if (!(await this.reservations(uri, network)).some((it) => it.mac === mac)) return;
    const where = (await this.networkActive(uri, network)) ? ["--live", "--config"] : ["--config"];
    await this.#ask(uri, ["net-update", network, "delete", "ip-dhcp-host", `<host mac='${mac}'/>`, ...where]);
  }

  async interfaces(uri: string): Promise<readonly string[] | undefined> {
    // Bridges and their like, but for what is part of a bridge. Not every libvirt has the driver for it.
    const listed = await this.#virsh(uri, ["iface-list", "--all"]);
    if (listed.code !== 0) return undefined;
    const names = listed.stdout.split("\n").flatMap((line) => /^\s*(\S+)/.exec(line)?.[1] ?? []);
    // Also what is part of a bridge, but no bridge: libvirt takes devices for which udev knows no kind, and bridges are one.
    const devices = (await this.#ask(uri, ["nodedev-list", "--cap", "net"])).split("\n");
    const others = devices
      // `net_eth0_52_54_00_12_34_56`
      .flatMap((name) => /^net_(.*?)(_[0-9a-f]{2}){6}$/.exec(name.trim())?.[1] ?? [])
      .filter((name) => !hasInterface(names, name));
    return [...names, ...others];
  }

  async volumeIdentity(uri: string, pool: string, volume: string): Promise<string | undefined> {
    const xml = await this.#find(uri, ["vol-dumpxml", "--pool", pool, volume]);
    if (xml === undefined) return undefined;
    const of = (element: string): string =>
      new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1] ?? "";
    // Not every file system knows when a file was made; then the name alone has to do.
    return `${of("key")}@${of("btime")}`;
  }

  /**
   * What was put in a pool by hand is seen then.
   *
   * @returns false when there is no such pool.
   * @throws {@link PoolInactive}
   */
  async #refresh(uri: string, pool: string): Promise<boolean> {
    return (await this.#find(uri, ["pool-refresh", pool])) !== undefined;
  }

  /** What it prints; undefined when there is no such object. */
  async #find(uri: string, argv: readonly string[]): Promise<string | undefined> {
    const finished = await this.#virsh(uri, argv);
    if (finished.code === 0) return finished.stdout;
    if (ABSENT.test(finished.stderr)) return undefined;
    throw failure(uri, finished);
  }

  async #ask(uri: string, argv: readonly string[]): Promise<string> {
    const finished = await this.#virsh(uri, argv);
    if (finished.code === 0) return finished.stdout;
    throw failure(uri, finished);
  }

  /** @throws when the host does not answer: none of its words are an answer then. */
  async #virsh(uri: string, argv: readonly string[]): Promise<Finished> {
    const finished = await this.#run("virsh", ["--quiet", "--connect", uri, ...argv], { timeoutSeconds: 60 });
    if (finished.code !== 0 && NO_ANSWER.test(finished.stderr)) throw failure(uri, finished);
    return finished;
  }
}

function failure(uri: string, { stderr, code }: Finished): Error {
  const pool = NO_ANSWER.test(stderr) ? undefined : INACTIVE.exec(stderr)?.[1];
  if (pool !== undefined) return new PoolInactive(uri, pool);
  // A connection that is lost on the way is named before what was not found for that reason.
  const lines = stderr.trim().split("\n");
  const reason = lines.findLast((line) => !line.includes("failed to get ")) ?? "";
  return new Error(
    `libvirt at ${uri} does not answer: ${reason === "" ? `virsh ended with ${String(code)}` : reason}`,
  );
}
