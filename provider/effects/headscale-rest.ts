/**
 * Headscale by its HTTP API: a server that is not a cluster's own always, one in a container where this machine has what it
 * takes, the server's volume, which holds the way in, and a route to its container. A program in a container costs a third
 * of a second of a core, a request a tenth of that.
 * https://headscale.net/stable/ref/api/
 */
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { HeadscaleRef, HeadscaleServerRef } from "../schema/common.ts";
import { type Door, HeadscaleApi, Silent, healthOf } from "./headscale-api.ts";
import {
  type Device,
  type Headscale,
  type HeadscaleUser,
  type HeadscaleUsers,
  type KeyOptions,
  type PreAuthKey,
  type ServerAddress,
  serverKey,
} from "./headscale.ts";
import type { Podman } from "./podman.ts";
import { SharedAnswers } from "./shared-answer.ts";
import { volumeDirectory } from "./volume-files.ts";

/** On the server's volume, for root alone: the way in. */
const DOOR = "homespan-api.json";
const AUTHORITY = "ca.crt";
const USERS = "/api/v1/user";
const SHARED_MILLISECONDS = 1000;
/** As long as the cluster may live; it goes with the volume. */
const KEY_LIFE = "3650d";

interface RawNode {
  id?: string;
  name?: string;
  givenName?: string;
  tags?: string[];
  ipAddresses?: string[];
  online?: boolean;
}
interface RawKey {
  id?: string;
  key?: string;
  used?: boolean;
  expiration?: string | null;
}
interface RawUser {
  id?: string;
  name?: string;
  displayName?: string;
}

const GONE = /not found|does not exist/i;
const NO_POLICY = /policy not found/i;
const EXISTS = /already exists|UNIQUE constraint/i;
const HAS_NODES = /user not empty/i;

export interface HeadscaleRestOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Where the key of a server is found that is not a cluster's own. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /**
   * False where this machine has no route to containers, as without root; somebody else's machine may have the same address.
   *
   * @default true
   */
  readonly routed?: boolean;
}

/** {@link Headscale} by HTTP where there is a way in, else by the given one. */
export class HeadscaleRest implements Headscale, HeadscaleUsers {
  readonly #podman: Podman;
  readonly #other: Headscale;
  readonly #apis = new Map<string, { readonly written: string; readonly api: HeadscaleApi }>();
  readonly #users = new Map<string, string>();
  readonly #shared: SharedAnswers<string, unknown>;
  readonly #environment: NonNullable<HeadscaleRestOptions["environment"]>;
  readonly #routed: boolean;

  constructor(podman: Podman, other: Headscale, options: HeadscaleRestOptions = {}) {
    this.#podman = podman;
    this.#other = other;
    this.#shared = new SharedAnswers(options.now ?? Date.now, SHARED_MILLISECONDS);
    this.#environment = options.environment ?? process.env;
    this.#routed = options.routed ?? true;
  }

  async open(ref: HeadscaleRef, address: ServerAddress): Promise<boolean> {
    const directory = await this.#directory(ref);
    if (!this.#routed || directory === undefined || ref.kind !== "headscale")
      return this.#other.open(ref, address);
    const ca = await readFile(join(directory, AUTHORITY), "utf8");
    const health = await healthOf(address, ca);
    // Where there is no route to containers, only their programs are left.
    if (health === "unreachable") {
      await rm(join(directory, DOOR), { force: true });
      return this.#other.open(ref, address);
    }
    if (health === "silent") return false;
    const known = await this.#api(ref);
    if (known !== undefined) {
      const { status } = await known.send("GET", "/api/v1/user");
      if (status === 200) return true;
    }
    const argv = ["headscale", "apikeys", "create", "--expiration", KEY_LIFE, "--output", "json"];
    const made = await this.#podman.exec(ref.container, argv, { timeoutSeconds: 20 });
    if (made.code !== 0) return false;
    const door: Door = { ...address, apiKey: JSON.parse(made.stdout) as string };
    const path = join(directory, DOOR);
    await writeFile(`${path}.new`, JSON.stringify(door), { mode: 0o600 });
    await chmod(`${path}.new`, 0o600);
    await rename(`${path}.new`, path);
    return true;
  }

  async devices(ref: HeadscaleRef): Promise<readonly Device[] | undefined> {
    const api = await this.#api(ref);
    if (api === undefined) return this.#other.devices(ref);
    const body = await this.#list<{ nodes?: RawNode[] }>(ref, api, "/api/v1/node");
    return body?.nodes?.map((node) => ({
      id: node.id ?? "",
      hostName: node.name ?? "",
      givenName: node.givenName ?? "",
      tags: node.tags ?? [],
      addresses: node.ipAddresses ?? [],
      online: node.online ?? false,
    }));
  }

  async removeDevice(ref: HeadscaleRef, id: string): Promise<void> {
    const api = await this.#api(ref);
    if (api === undefined) return this.#other.removeDevice(ref, id);
    await this.#change(ref, "/api/v1/node", () => api.call("DELETE", `/api/v1/node/${id}`, undefined, GONE));
  }

  async keys(ref: HeadscaleRef): Promise<readonly PreAuthKey[] | undefined> {
    const api = await this.#api(ref);
    if (api === undefined) return this.#other.keys(ref);
    const body = await this.#list<{ preAuthKeys?: RawKey[] }>(ref, api, "/api/v1/preauthkey");
    return body?.preAuthKeys?.map((key) => ({
      id: key.id ?? "",
      used: key.used ?? false,
      expiresAt: key.expiration == null ? 0 : Date.parse(key.expiration),
    }));
  }

  async createKey(ref: HeadscaleRef, options: KeyOptions): Promise<{ id: string; key: string }> {
    const api = await this.#api(ref);
    if (api === undefined) return this.#other.createKey(ref, options);
    const user = await this.#userId(ref, api, options.user);
    if (user === undefined) {
      throw new Error(`\`user\` must exist in Headscale, got ${JSON.stringify(options.user)}`);
    }
    const expiration = new Date(Date.now() + options.expirySeconds * 1000).toISOString();
    const { shared, tags } = options;
    const request = { user, reusable: shared, ephemeral: shared, expiration, aclTags: tags };
    const made = await this.#change(ref, "/api/v1/preauthkey", () =>
      api.call("POST", "/api/v1/preauthkey", request),
    );
    const { preAuthKey } = made as { preAuthKey?: RawKey };
    return { id: preAuthKey?.id ?? "", key: preAuthKey?.key ?? "" };
  }

  async removeKey(ref: HeadscaleRef, id: string): Promise<void> {
    const api = await this.#api(ref);
    if (api === undefined) return this.#other.removeKey(ref, id);
    await this.#change(ref, "/api/v1/preauthkey", () =>
      api.call("DELETE", `/api/v1/preauthkey?id=${id}`, undefined, GONE),
    );
  }

  async ensureUser(ref: HeadscaleRef, name: string): Promise<boolean> {
    const api = await this.#api(ref);
    if (api === undefined) return this.#other.ensureUser(ref, name);
    try {
      const made = await api.call("POST", "/api/v1/user", { name }, EXISTS);
      const id = (made as { user?: RawUser } | undefined)?.user?.id;
      if (id !== undefined) this.#users.set(`${serverKey(ref)} ${name}`, id);
      return true;
    } catch (error) {
      if (error instanceof Silent) return false;
      throw error;
    }
  }

  async users(ref: HeadscaleServerRef): Promise<readonly HeadscaleUser[] | undefined> {
    const body = await this.#list<{ users?: RawUser[] }>(ref, this.#farApi(ref), USERS);
    return body?.users?.map(({ id = "", name = "", displayName = "" }) => ({ id, name, displayName }));
  }

  async createUser(ref: HeadscaleServerRef, name: string, displayName: string): Promise<string> {
    const api = this.#farApi(ref);
    const made = await this.#change(ref, USERS, () => api.call("POST", USERS, { name, displayName }));
    return (made as { user?: RawUser }).user?.id ?? "";
  }

  async removeUser(ref: HeadscaleServerRef, id: string): Promise<boolean> {
    const { status, body } = await this.#farApi(ref).send("DELETE", `${USERS}/${id}`);
    this.#shared.forget(`${serverKey(ref)} ${USERS}`);
    for (const [key, known] of this.#users) if (known === id) this.#users.delete(key);
    const said = JSON.stringify(body);
    if (HAS_NODES.test(said)) return false;
    if (status < 300 || GONE.test(said)) return true;
    throw new Error(
      `Headscale at ${ref.url} refused to remove the user ${id}: HTTP ${String(status)}, ${said}`,
    );
  }

  async policy(ref: HeadscaleRef): Promise<string | undefined> {
    const api = await this.#api(ref);
    if (api === undefined) return this.#other.policy(ref);
    try {
      const body = await api.call("GET", "/api/v1/policy", undefined, NO_POLICY);
      return (body as { policy?: string } | undefined)?.policy ?? "";
    } catch (error) {
      if (error instanceof Silent) return undefined;
      throw error;
    }
  }

  async setPolicy(ref: HeadscaleRef, policy: string): Promise<void> {
    const api = await this.#api(ref);
    if (api === undefined) return this.#other.setPolicy(ref, policy);
    await api.call("PUT", "/api/v1/policy", { policy });
  }

  async #userId(ref: HeadscaleRef, api: HeadscaleApi, name: string): Promise<string | undefined> {
    const key = `${serverKey(ref)} ${name}`;
    const known = this.#users.get(key);
    if (known !== undefined) return known;
    const body = await this.#list<{ users?: RawUser[] }>(ref, api, USERS);
    const id = body?.users?.find((user) => user.name === name)?.id;
    if (id !== undefined) this.#users.set(key, id);
    return id;
  }

  /** `undefined` when the server does not answer. */
  async #list<T>(ref: HeadscaleRef, api: HeadscaleApi, path: string): Promise<T | undefined> {
    try {
      return (await this.#shared.ask(`${serverKey(ref)} ${path}`, () => api.call("GET", path))) as T;
    } catch (error) {
      if (error instanceof Silent) return undefined;
      throw error;
    }
  }

  async #change(ref: HeadscaleRef, list: string, work: () => Promise<unknown>): Promise<unknown> {
    const forget = (): void => {
      this.#shared.forget(`${serverKey(ref)} ${list}`);
    };
    forget();
    try {
      return await work();
    } finally {
      forget();
    }
  }

  #farApi(ref: HeadscaleServerRef): HeadscaleApi {
    const written = JSON.stringify(ref);
    const known = this.#apis.get(ref.url);
    if (known?.written === written) return known.api;
    known?.api.end();
    const api = HeadscaleApi.far(ref, this.#environment);
    this.#apis.set(ref.url, { written, api });
    return api;
  }

  async #api(ref: HeadscaleRef): Promise<HeadscaleApi | undefined> {
    if (ref.kind === "headscale-server") return this.#farApi(ref);
    const directory = await this.#directory(ref);
    if (directory === undefined) return undefined;
    const written = await readFile(join(directory, DOOR), "utf8").catch(() => undefined);
    if (written === undefined) return undefined;
    const known = this.#apis.get(ref.container);
    if (known?.written === written) return known.api;
    known?.api.end();
    const ca = await readFile(join(directory, AUTHORITY), "utf8");
    const api = HeadscaleApi.near(JSON.parse(written) as Door, ca);
    this.#apis.set(ref.container, { written, api });
    return api;
  }

  async #directory(ref: HeadscaleRef): Promise<string | undefined> {
    return ref.kind === "headscale" ? volumeDirectory(this.#podman, `${ref.container}-data`) : undefined;
  }
}
