/** What the stand-in for Tailscale's API asks of the control server behind it. Checked against the command line of Headscale 0.29.0. */
import { HeadscaleProgram } from "../../../provider/effects/headscale.ts";
import type { Podman } from "../../../provider/effects/podman.ts";
import { CommandError } from "../../../provider/effects/process.ts";
import type { HeadscaleContainerRef } from "../../../provider/schema/common.ts";

/** One device, with all that Tailscale's API tells of it. */
export interface ControlDevice {
  readonly id: string;
  readonly hostName: string;
  /** Name in MagicDNS, without its domain. */
  readonly givenName: string;
  readonly tags: readonly string[];
  readonly addresses: readonly string[];
  readonly online: boolean;
  readonly ephemeral: boolean;
  readonly machineKey: string;
  readonly nodeKey: string;
  /** Milliseconds since 1970; 0 for never. */
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly expiresAt: number;
}

/** A login key to make. */
export interface KeyOrder {
  readonly reusable: boolean;
  readonly ephemeral: boolean;
  readonly tags: readonly string[];
  readonly expirySeconds: number;
}

/** All calls throw when the server does not answer. */
export interface Control {
  devices(): Promise<readonly ControlDevice[]>;
  /** Succeeds when it is already gone. */
  removeDevice(id: string): Promise<void>;
  createKey(order: KeyOrder): Promise<{ readonly id: string; readonly key: string }>;
  /** Ids of the keys that are there, with whether a device has logged in with them. */
  keys(): Promise<ReadonlyMap<string, { readonly used: boolean }>>;
  /** Succeeds when it is already gone. */
  removeKey(id: string): Promise<void>;
  /** @throws when the policy is wrong or one of its tests fails; the former one stays then. */
  setPolicy(policy: string): Promise<void>;
}

interface RawTime {
  seconds?: number;
}
interface RawNode {
  id?: number;
  machine_key?: string;
  node_key?: string;
  ip_addresses?: string[];
  name?: string;
  given_name?: string;
  tags?: string[];
  online?: boolean;
  last_seen?: RawTime;
  expiry?: RawTime;
  created_at?: RawTime;
  pre_auth_key?: { ephemeral?: boolean };
}
interface RawUser {
  id?: number;
  name?: string;
}
interface RawKey {
  id?: number;
  key?: string;
}

/** {@link Control} by `podman exec` of Headscale's own command. */
export class HeadscaleControl implements Control {
  readonly #podman: Podman;
  readonly #ref: HeadscaleContainerRef;
  readonly #user: string;
  readonly #program: HeadscaleProgram;
  #userId: string | undefined;

  /** @param user the one user of the account; it exists when the server answers for the first time. */
  constructor(podman: Podman, container: string, user: string) {
    this.#podman = podman;
    this.#ref = { kind: "headscale", container };
    this.#user = user;
    this.#program = new HeadscaleProgram(podman);
  }

  async devices(): Promise<readonly ControlDevice[]> {
    const nodes = await this.#list<RawNode>(["nodes", "list"]);
    return nodes.map((node) => ({
      id: String(node.id ?? 0),
      hostName: node.name ?? "",
      givenName: node.given_name ?? "",
      tags: node.tags ?? [],
      addresses: node.ip_addresses ?? [],
      online: node.online ?? false,
      ephemeral: node.pre_auth_key?.ephemeral ?? false,
      machineKey: node.machine_key ?? "",
      nodeKey: node.node_key ?? "",
      createdAt: milliseconds(node.created_at),
      lastSeenAt: milliseconds(node.last_seen),
      expiresAt: milliseconds(node.expiry),
    }));
  }

  removeDevice(id: string): Promise<void> {
    return this.#program.removeDevice(this.#ref, id);
  }

  async createKey({
    reusable,
    ephemeral,
    tags,
    expirySeconds,
  }: KeyOrder): Promise<{ id: string; key: string }> {
    const created = JSON.parse(
      await this.#run([
        ...["preauthkeys", "create", "--user", await this.#userIdentifier()],
        ...["--expiration", `${String(expirySeconds)}s`, "--output", "json"],
        ...(tags.length === 0 ? [] : ["--tags", tags.join(",")]),
        ...(reusable ? ["--reusable"] : []),
        ...(ephemeral ? ["--ephemeral"] : []),
      ]),
    ) as RawKey;
    return { id: String(created.id ?? 0), key: created.key ?? "" };
  }

  async keys(): Promise<ReadonlyMap<string, { readonly used: boolean }>> {
    const keys = await this.#program.keys(this.#ref);
    if (keys === undefined) throw new Error("Headscale does not answer");
    return new Map(keys.map(({ id, used }) => [id, { used }]));
  }

  removeKey(id: string): Promise<void> {
    return this.#program.removeKey(this.#ref, id);
  }

  setPolicy(policy: string): Promise<void> {
    return this.#program.setPolicy(this.#ref, policy);
  }

  async #userIdentifier(): Promise<string> {
    if (this.#userId === undefined) {
      const users = await this.#list<RawUser>(["users", "list"]);
      const user = users.find(({ name }) => name === this.#user);
      if (user === undefined) throw new Error(`Headscale must have the user ${this.#user}, got none`);
      this.#userId = String(user.id ?? 0);
    }
    return this.#userId;
  }

  async #list<T>(args: readonly string[]): Promise<readonly T[]> {
    // An empty list is printed as `null`.
    const parsed: unknown = JSON.parse((await this.#run([...args, "--output", "json"])).trim() || "null");
    return Array.isArray(parsed) ? (parsed as T[]) : [];
  }

  async #run(args: readonly string[]): Promise<string> {
    const finished = await this.#podman.exec(this.#ref.container, ["headscale", ...args], {
      timeoutSeconds: 20,
    });
    if (finished.code !== 0) throw new CommandError(`headscale ${args.slice(0, 2).join(" ")}`, finished);
    return finished.stdout;
  }
}

function milliseconds(time: RawTime | undefined): number {
  // A time that was never set is one before 1970.
  return Math.max(0, (time?.seconds ?? 0) * 1000);
}
