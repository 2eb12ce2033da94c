/** A host of virtual machines that has what a test gives it. */
import type { Libvirt, Reservation } from "../../provider/effects/libvirt.ts";

export class FakeLibvirt implements Libvirt {
  memoryMiB = 16_384;
  cpus = 8;
  kvm = true;
  readonly domains = new Set<string>();
  /** State of each by its id. */
  readonly states = new Map<string, string>();
  /** Pool -> volume -> when it was made. */
  readonly pools = new Map<string, Map<string, string>>([["default", new Map()]]);
  readonly networks = new Set(["default"]);
  /** Network -> what it has reserved. */
  readonly reserved = new Map<string, Reservation[]>();
  readonly devices = ["lo", "eth0", "br_lan"];

  node(): Promise<{ readonly memoryMiB: number; readonly cpus: number }> {
    return Promise.resolve({ memoryMiB: this.memoryMiB, cpus: this.cpus });
  }
  supports(_uri: string, type: string): Promise<boolean> {
    return Promise.resolve(type === "qemu" || this.kvm);
  }
  domainExists(_uri: string, name: string): Promise<boolean> {
    return Promise.resolve(this.domains.has(name));
  }
  domainState(_uri: string, uuid: string): Promise<string | undefined> {
    return Promise.resolve(this.states.get(uuid));
  }
  undefineDomain(_uri: string, uuid: string): Promise<void> {
    this.states.delete(uuid);
    return Promise.resolve();
  }
  volumes(_uri: string, pool: string): Promise<readonly string[] | undefined> {
    const volumes = this.pools.get(pool);
    return Promise.resolve(volumes === undefined ? undefined : [...volumes.keys()]);
  }
  volumeKey(_uri: string, pool: string, volume: string): Promise<string | undefined> {
    return Promise.resolve(this.pools.get(pool)?.has(volume) === true ? `/${pool}/${volume}` : undefined);
  }
  deleteVolume(_uri: string, pool: string, volume: string): Promise<void> {
    this.pools.get(pool)?.delete(volume);
    return Promise.resolve();
  }
  networkActive(_uri: string, name: string): Promise<boolean> {
    return Promise.resolve(this.networks.has(name));
  }
  reservations(_uri: string, network: string): Promise<readonly Reservation[]> {
    return Promise.resolve(this.reserved.get(network) ?? []);
  }
  forgetReservation(_uri: string, network: string, mac: string): Promise<void> {
    const rest = (this.reserved.get(network) ?? []).filter((it) => it.mac !== mac);
    this.reserved.set(network, rest);
    return Promise.resolve();
  }
  interfaces(): Promise<readonly string[]> {
    return Promise.resolve(this.devices);
  }
  volumeIdentity(_uri: string, pool: string, volume: string): Promise<string | undefined> {
    const made = this.pools.get(pool)?.get(volume);
    return Promise.resolve(made === undefined ? undefined : `/pool/${volume}@${made}`);
  }
}
