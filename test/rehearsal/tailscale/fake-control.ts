/** A control server in memory: what the real one does with its keys when a device logs in, and no more. */
import type { Control, ControlDevice, KeyOrder } from "../../../rehearsal/clouds/tailscale/control.ts";

export class FakeControl implements Control {
  readonly #keys = new Map<string, KeyOrder & { key: string; used: boolean }>();
  #devices: ControlDevice[] = [];
  /** All policies that were set. */
  readonly policies: string[] = [];
  /** Why the next policy is refused. */
  refusal: string | undefined;
  #next = 1;

  /** A device logs in with a key that `createKey` told. */
  login(key: string, hostName: string): ControlDevice {
    const found = [...this.#keys.values()].find((one) => one.key === key);
    if (found === undefined || (found.used && !found.reusable)) throw new Error("invalid key");
    found.used = true;
    const number = this.#next++;
    const device: ControlDevice = {
      id: String(number),
      hostName,
      givenName: hostName,
      tags: found.tags,
      addresses: [`100.64.0.${String(number)}`],
      online: true,
      ephemeral: found.ephemeral,
      machineKey: "mkey:1",
      nodeKey: "nodekey:1",
      createdAt: Date.parse("2026-11-21T12:00:00Z"),
      lastSeenAt: Date.parse("2026-11-21T12:00:00Z"),
      expiresAt: 0,
    };
    this.#devices.push(device);
    return device;
  }

  /** The policy in force. */
  get policy(): Record<string, unknown> {
    return JSON.parse(this.policies.at(-1) ?? "{}") as Record<string, unknown>;
  }

  devices(): Promise<readonly ControlDevice[]> {
    return Promise.resolve(this.#devices);
  }
  removeDevice(id: string): Promise<void> {
    this.#devices = this.#devices.filter((device) => device.id !== id);
    return Promise.resolve();
  }
  createKey(order: KeyOrder): Promise<{ id: string; key: string }> {
    const id = String(this.#next++);
    const key = `hskey-auth-${id}`;
    this.#keys.set(id, { ...order, key, used: false });
    return Promise.resolve({ id, key });
  }
  keys(): Promise<ReadonlyMap<string, { used: boolean }>> {
    return Promise.resolve(this.#keys);
  }
  removeKey(id: string): Promise<void> {
    this.#keys.delete(id);
    return Promise.resolve();
  }
  setPolicy(policy: string): Promise<void> {
    if (this.refusal !== undefined) return Promise.reject(new Error(this.refusal));
    this.policies.push(policy);
    return Promise.resolve();
  }
}
