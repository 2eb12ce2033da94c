/**
 * Tailscale's HTTP API, https://tailscale.com/api: the devices of a tailnet, and its policy.
 *
 * Credentials and address come from the environment, under the names that Tailscale's own provider takes them from:
 * https://www.pulumi.com/registry/packages/tailscale/installation-configuration/
 */
import { type Answer, type FetchOptions, fetch } from "../../toolchain/fetch.ts";
import type { Device } from "./headscale.ts";
import { SharedAnswers } from "./shared-answer.ts";
import type { Clock } from "./wait.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface TailscaleApi {
  /** Shared by all calls of about a second. `undefined` when the API does not answer. */
  devices(tailnet: string): Promise<readonly Device[] | undefined>;
  /** Succeeds when there is none of that id. */
  removeDevice(tailnet: string, id: string): Promise<void>;
  /** The policy file as it was written. `undefined` when the API does not answer. */
  policy(tailnet: string): Promise<string | undefined>;
}

const BASE_URL = "https://api.tailscale.com";
const SHARED_MILLISECONDS = 1000;
const REQUEST_MILLISECONDS = 10_000;
const ATTEMPTS = 4;
const FIRST_PAUSE_MILLISECONDS = 300;
/** A server that wants more patience has said so, and is as good as one that does not answer. */
const LONGEST_PAUSE_MILLISECONDS = 5000;
/** A token is not used in the last moments of its life. */
const TOKEN_MARGIN_SECONDS = 60;
const OAUTH_VARIABLES = "`TAILSCALE_OAUTH_CLIENT_ID` and `TAILSCALE_OAUTH_CLIENT_SECRET`";

/** The API cannot be reached, or answered only that it cannot answer. */
class NoAnswer extends Error {}

interface Credentials {
  /** The environment variables they come from, for messages. */
  readonly from: string;
  readonly header: string;
}

interface RawDevice {
  nodeId?: string;
  /** The legacy identifier. */
  id?: string;
  hostname?: string;
  /** Name in MagicDNS, with the tailnet's domain. */
  name?: string;
  tags?: string[];
  addresses?: string[];
  connectedToControl?: boolean;
}

function deviceOf(raw: RawDevice): Device {
  return {
    id: raw.nodeId ?? raw.id ?? "",
    hostName: raw.hostname ?? "",
    givenName: raw.name?.split(".")[0] ?? "",
    tags: raw.tags ?? [],
    addresses: raw.addresses ?? [],
    online: raw.connectedToControl ?? false,
  };
}

/** What the server says about a failure. */
async function reasonOf(response: Answer): Promise<string> {
  const text = await response.text();
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string" && message !== "") return `HTTP ${response.status}, ${message}`;
  } catch {
    // A proxy on the way answers in HTML.
  }
  return `HTTP ${response.status}`;
}

/** {@link TailscaleApi} over the network. */
export class TailscaleHttpApi implements TailscaleApi {
  readonly #clock: Clock;
  readonly #environment: Environment;
  readonly #shared: SharedAnswers<string, readonly Device[] | undefined>;
  #token: { readonly header: string; readonly until: number } | undefined;

  constructor(clock: Clock, environment: Environment = process.env, now: () => number = () => clock.now()) {
    this.#clock = clock;
    this.#environment = environment;
    this.#shared = new SharedAnswers(now, SHARED_MILLISECONDS);
  }

  devices(tailnet: string): Promise<readonly Device[] | undefined> {
    const name = this.#tailnet(tailnet);
    return this.#shared.ask(name, async () => {
      try {
        const response = await this.#call("GET", `tailnet/${encodeURIComponent(name)}/devices`);
        if (response.status === 404) {
          throw new Error(
            `the tailnet must be one that the credentials are for, got ${JSON.stringify(name)} (${await reasonOf(response)})`,
          );
        }
        const { devices } = (await response.json()) as { devices?: RawDevice[] };
        return (devices ?? []).map(deviceOf);
      } catch (error) {
        if (error instanceof NoAnswer) return undefined;
        throw error;
      }
    });
  }

  async removeDevice(tailnet: string, id: string): Promise<void> {
    const name = this.#tailnet(tailnet);
    this.#shared.forget(name);
    const response = await this.#call("DELETE", `device/${encodeURIComponent(id)}`);
    await response.arrayBuffer();
    this.#shared.forget(name);
  }

  async policy(tailnet: string): Promise<string | undefined> {
    const path = `tailnet/${encodeURIComponent(this.#tailnet(tailnet))}/acl`;
    try {
      const response = await this.#call("GET", path, "policy_file", "application/hujson");
      return response.ok ? await response.text() : undefined;
    } catch (error) {
      if (error instanceof NoAnswer) return undefined;
      throw error;
    }
  }

  #tailnet(name: string): string {
    return name === "-" ? this.#variable("TAILSCALE_TAILNET") || "-" : name;
  }

  #variable(name: string): string {
    return this.#environment[name] ?? "";
  }

  #url(path: string): URL {
    const base = this.#variable("TAILSCALE_BASE_URL") || BASE_URL;
    try {
      return new URL(`${base.replace(/\/+$/, "")}/api/v2/${path}`);
    } catch {
      throw new Error(`\`TAILSCALE_BASE_URL\` must be a URL, got ${JSON.stringify(base)}`);
    }
  }

  /** @returns an answer that is a success, or 404. */
  async #call(
    method: "GET" | "DELETE",
    path: string,
    scope = "devices:core",
    accept = "application/json",
  ): Promise<Answer> {
    const credentials = await this.#credentials();
    const response = await this.#send(this.#url(path), {
      method,
      headers: { accept, authorization: credentials.header },
    });
    if (response.ok || response.status === 404) return response;
    if (response.status === 401 || response.status === 403) {
      this.#token = undefined;
      throw new Error(
        `${credentials.from} must be valid and have the scope ${scope}, was refused by ${response.url} (${await reasonOf(response)})`,
      );
    }
    throw new Error(`${method} ${response.url} failed: ${await reasonOf(response)}`);
  }

  async #credentials(): Promise<Credentials> {
    const key = this.#variable("TAILSCALE_API_KEY");
    if (key !== "") {
      // As Tailscale's own clients send it: the key is the user name.
      const header = `Basic ${Buffer.from(`${key}:`).toString("base64")}`;
      return { from: "`TAILSCALE_API_KEY`", header };
    }
    const id = this.#variable("TAILSCALE_OAUTH_CLIENT_ID");
    const secret = this.#variable("TAILSCALE_OAUTH_CLIENT_SECRET");
    if (id === "" || secret === "") {
      const found = id === "" && secret === "" ? "none of them" : `no ${id === "" ? "id" : "secret"}`;
      throw new Error(
        `\`TAILSCALE_API_KEY\`, or ${OAUTH_VARIABLES}, must be set to manage the tailnet's devices, found ${found}`,
      );
    }
    const known = this.#token;
    if (known !== undefined && this.#clock.now() < known.until) {
      return { from: OAUTH_VARIABLES, header: known.header };
    }
    const response = await this.#send(this.#url("oauth/token"), {
      method: "POST",
      body: new URLSearchParams({ client_id: id, client_secret: secret, grant_type: "client_credentials" }),
    });
    if (!response.ok) {
      throw new Error(
        `${OAUTH_VARIABLES} must be of an OAuth client with the scope devices:core, were refused by ${response.url} (${await reasonOf(response)})`,
      );
    }
    const made = (await response.json()) as { access_token?: string; expires_in?: number };
    const header = `Bearer ${made.access_token ?? ""}`;
    const seconds = (made.expires_in ?? 0) - TOKEN_MARGIN_SECONDS;
    this.#token = { header, until: this.#clock.now() + seconds * 1000 };
    return { from: OAUTH_VARIABLES, header };
  }

  /**
   * Repeats what can be repeated, which is all of it.
   *
   * @throws {@link NoAnswer} when nothing but "not now" came back.
   */
  async #send(url: URL, options: Omit<FetchOptions, "signal">): Promise<Answer> {
    // Seconds at most: not worth a cancellation.
    const { signal } = new AbortController();
    let pause = FIRST_PAUSE_MILLISECONDS;
    for (let attempt = 1; ; attempt += 1) {
      let reason: string;
      let wanted = 0;
      try {
        const response = await fetch(url.href, {
          ...options,
          signal: AbortSignal.timeout(REQUEST_MILLISECONDS),
        });
        if (response.status !== 429 && response.status < 500) return response;
        wanted = Number(response.headers.get("retry-after") ?? 0) * 1000 || 0;
        reason = await reasonOf(response);
      } catch (error) {
        const { message, cause } = error as Error;
        reason = cause instanceof Error ? cause.message : message;
      }
      if (attempt === ATTEMPTS || wanted > LONGEST_PAUSE_MILLISECONDS) {
        throw new NoAnswer(`Tailscale's API at ${url.origin} does not answer (${reason})`);
      }
      await this.#clock.sleep(Math.max(pause, wanted), signal);
      pause *= 3;
    }
  }
}
