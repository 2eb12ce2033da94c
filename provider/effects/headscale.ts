/** Headscale, by its own command inside its container. Checked against the command line of 0.29.0. */
import type { HeadscaleRef, HeadscaleServerRef } from "../schema/common.ts";
import type { Podman } from "./podman.ts";
import { CommandError, type Finished } from "./process.ts";
import { SharedAnswers } from "./shared-answer.ts";

/** One device of the tailnet. */
export interface Device {
  readonly id: string;
  readonly hostName: string;
  /** Name in MagicDNS; has a suffix when another device had the host name first. */
  readonly givenName: string;
  readonly tags: readonly string[];
  readonly addresses: readonly string[];
  readonly online: boolean;
}

export interface PreAuthKey {
  readonly id: string;
  readonly used: boolean;
  /** Milliseconds since 1970; 0 when it never expires. */
  readonly expiresAt: number;
}

/** Where a server answers. */
export interface ServerAddress {
  /** By address: this machine need not know its name. */
  readonly url: string;
  /** The name in its certificate. */
  readonly serverName: string;
}

export interface KeyOptions {
  readonly user: string;
  readonly tags: readonly string[];
  readonly expirySeconds: number;
  /** For any number of logins, by devices that go when they are offline; for one login otherwise. */
  readonly shared: boolean;
}

export interface HeadscaleUser {
  readonly id: string;
  readonly name: string;
  readonly displayName: string;
}

/** The users of a server that is not a cluster's own. */
export interface HeadscaleUsers {
  /** `undefined` when the server does not answer. */
  users(ref: HeadscaleServerRef): Promise<readonly HeadscaleUser[] | undefined>;
  /** @returns its id */
  createUser(ref: HeadscaleServerRef, name: string, displayName: string): Promise<string>;
  /** Succeeds when it is gone; false when it stays, because it has devices. */
  removeUser(ref: HeadscaleServerRef, id: string): Promise<boolean>;
}

/** A server, for messages. */
export function serverName(ref: HeadscaleRef): string {
  return ref.kind === "headscale" ? `Headscale in ${ref.container}` : `Headscale at ${ref.url}`;
}

/** Tells one server from every other. */
export function serverKey(ref: HeadscaleRef): string {
  return ref.kind === "headscale" ? ref.container : ref.url;
}

export interface Headscale {
  /** Gets ready for all the other questions, once per start of the server. False while it does not answer. */
  open(ref: HeadscaleRef, address: ServerAddress): Promise<boolean>;
  /** Shared by all calls of about a second. `undefined` when the server does not answer. */
  devices(ref: HeadscaleRef): Promise<readonly Device[] | undefined>;
  removeDevice(ref: HeadscaleRef, id: string): Promise<void>;
  /** `undefined` when the server does not answer. */
  keys(ref: HeadscaleRef): Promise<readonly PreAuthKey[] | undefined>;
  createKey(ref: HeadscaleRef, options: KeyOptions): Promise<{ id: string; key: string }>;
  removeKey(ref: HeadscaleRef, id: string): Promise<void>;
  /** False while the server does not answer. */
  ensureUser(ref: HeadscaleRef, name: string): Promise<boolean>;
  /** The policy as it was set; "" when there is none, `undefined` when the server does not answer. */
  policy(ref: HeadscaleRef): Promise<string | undefined>;
  /** @throws when the policy is wrong or one of its tests fails; the former one stays then. */
  setPolicy(ref: HeadscaleRef, policy: string): Promise<void>;
}

interface RawTime {
  seconds?: number;
}
interface RawNode {
  id?: number;
  name?: string;
  given_name?: string;
  tags?: string[];
  ip_addresses?: string[];
  online?: boolean;
}
interface RawKey {
  id?: number;
  key?: string;
  used?: boolean;
  expiration?: RawTime;
}
interface RawUser {
  id?: number;
  name?: string;
}

const SHARED_MILLISECONDS = 1000;
const EXISTS = /already exists|UNIQUE constraint/i;
const NO_POLICY = /policy not found/i;
const GONE = /not found|does not exist/i;

/** @throws for a server that runs elsewhere, which no program here belongs to. */
function containerOf(ref: HeadscaleRef): string {
  if (ref.kind === "headscale") return ref.container;
  throw new Error(`${serverName(ref)} can be asked by its API alone`);
}

/** {@link Headscale} by `podman exec`. */
export class HeadscaleProgram implements Headscale {
  readonly #podman: Podman;
  /** Container and name -> id, of the users made here: their keys follow at once, and each question costs a quarter of a second. */
  readonly #users = new Map<string, string>();
  readonly #shared: SharedAnswers<string, Finished>;

  constructor(podman: Podman, now: () => number = Date.now) {
    this.#podman = podman;
    this.#shared = new SharedAnswers(now, SHARED_MILLISECONDS);
  }

  /** The program needs nothing; the first question tells whether it answers. */
  open(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async devices(ref: HeadscaleRef): Promise<readonly Device[] | undefined> {
    const nodes = await this.#list<RawNode>(ref, ["nodes", "list"]);
    return nodes?.map((node) => ({
      id: String(node.id ?? 0),
      hostName: node.name ?? "",
      givenName: node.given_name ?? "",
      tags: node.tags ?? [],
      addresses: node.ip_addresses ?? [],
      online: node.online ?? false,
    }));
  }

  async removeDevice(ref: HeadscaleRef, id: string): Promise<void> {
    await this.#change(ref, ["nodes", "delete", "--identifier", id, "--force"], { harmless: GONE });
  }

  async keys(ref: HeadscaleRef): Promise<readonly PreAuthKey[] | undefined> {
    const keys = await this.#list<RawKey>(ref, ["preauthkeys", "list"]);
    return keys?.map((key) => ({
      id: String(key.id ?? 0),
      used: key.used ?? false,
      expiresAt: (key.expiration?.seconds ?? 0) * 1000,
    }));
  }

  async createKey(ref: HeadscaleRef, options: KeyOptions): Promise<{ id: string; key: string }> {
    const user = await this.#userId(ref, options.user);
    if (user === undefined) {
      throw new Error(`\`user\` must exist in Headscale, got ${JSON.stringify(options.user)}`);
    }
    const created = JSON.parse(
      await this.#change(ref, [
        ...["preauthkeys", "create", "--user", user, "--tags", options.tags.join(",")],
        ...["--expiration", `${String(options.expirySeconds)}s`, "--output", "json"],
        ...(options.shared ? ["--reusable", "--ephemeral"] : []),
      ]),
    ) as RawKey;
    return { id: String(created.id ?? 0), key: created.key ?? "" };
  }

  async removeKey(ref: HeadscaleRef, id: string): Promise<void> {
    await this.#change(ref, ["preauthkeys", "delete", "--id", id], { harmless: GONE });
  }

  async ensureUser(ref: HeadscaleRef, name: string): Promise<boolean> {
    const args = ["headscale", "users", "create", name, "--output", "json"];
    const finished = await this.#podman.exec(containerOf(ref), args, { timeoutSeconds: 20 });
    this.#users.delete(`${containerOf(ref)} ${name}`);
    if (finished.code !== 0) return EXISTS.test(finished.stderr + finished.stdout);
    const user = JSON.parse(finished.stdout) as RawUser;
    if (user.id !== undefined) this.#users.set(`${containerOf(ref)} ${name}`, String(user.id));
    return true;
  }

  async policy(ref: HeadscaleRef): Promise<string | undefined> {
    const finished = await this.#podman.exec(containerOf(ref), ["headscale", "policy", "get"], {
      timeoutSeconds: 20,
    });
    // It is printed as a line.
    if (finished.code === 0) return finished.stdout.replace(/\n$/, "");
    return NO_POLICY.test(finished.stderr + finished.stdout) ? "" : undefined;
  }

  async setPolicy(ref: HeadscaleRef, policy: string): Promise<void> {
    await this.#change(ref, ["policy", "set", "--file", "/dev/stdin"], { input: policy });
  }

  async #userId(ref: HeadscaleRef, name: string): Promise<string | undefined> {
    const known = this.#users.get(`${containerOf(ref)} ${name}`);
    if (known !== undefined) return known;
    const users = await this.#list<RawUser>(ref, ["users", "list"]);
    const user = users?.find((candidate) => candidate.name === name);
    return user === undefined ? undefined : String(user.id ?? 0);
  }

  async #list<T>(ref: HeadscaleRef, args: readonly string[]): Promise<readonly T[] | undefined> {
    const key = `${containerOf(ref)} ${args.join(" ")}`;
    const finished = await this.#shared.ask(key, () =>
      this.#podman.exec(containerOf(ref), ["headscale", ...args, "--output", "json"], { timeoutSeconds: 20 }),
    );
    if (finished.code !== 0) return undefined;
    // An empty list is printed as `null`.
    const parsed: unknown = JSON.parse(finished.stdout.trim() || "null");
    return Array.isArray(parsed) ? (parsed as T[]) : [];
  }

  async #change(
    ref: HeadscaleRef,
    args: readonly string[],
    { harmless, input }: { readonly harmless?: RegExp; readonly input?: string } = {},
  ): Promise<string> {
    // What is listed under the same word is no longer so; the rest is.
    const forget = (): void => {
      this.#shared.forget(`${containerOf(ref)} ${args[0] ?? ""} list`);
    };
    forget();
    const finished = await this.#podman.exec(containerOf(ref), ["headscale", ...args], {
      ...(input === undefined ? {} : { input }),
      timeoutSeconds: 30,
    });
    forget();
    if (finished.code !== 0 && !(harmless?.test(finished.stderr + finished.stdout) ?? false)) {
      throw new CommandError(`headscale ${args.slice(0, 2).join(" ")}`, finished);
    }
    return finished.stdout;
  }
}
