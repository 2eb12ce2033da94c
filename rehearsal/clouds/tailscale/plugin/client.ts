/** The client of the provider's resources. Its errors read as those of tailscale.com/client/tailscale/v2. */
import { z } from "zod";

export type Credentials =
  | { readonly apiKey: string }
  | { readonly clientId: string; readonly clientSecret: string; readonly scopes: readonly string[] };

export interface ClientSettings {
  readonly baseUrl: string;
  readonly tailnet: string;
  readonly credentials: Credentials;
}

/** What the provider's Configure makes, for its resources. */
export interface Connection {
  client?: TailscaleClient;
}

/** @throws Error where the engine asked for something before it configured the provider. */
export function clientOf({ client }: Connection): TailscaleClient {
  if (client === undefined) throw new Error("the provider must be configured before it is used");
  return client;
}

/** An answer that is an error. */
export class TailscaleError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(`${message} (${String(status)})`);
    this.status = status;
  }
}

const REQUEST_MILLISECONDS = 60_000;
const TOKEN_MARGIN_MILLISECONDS = 60_000;

const keySchema = z.object({
  id: z.string(),
  key: z.string().default(""),
  description: z.string().default(""),
  expirySeconds: z.number(),
  created: z.string(),
  expires: z.string(),
  invalid: z.boolean().default(false),
  capabilities: z.object({
    devices: z.object({
      create: z.object({
        reusable: z.boolean(),
        ephemeral: z.boolean(),
        preauthorized: z.boolean(),
        tags: z.array(z.string()).default([]),
      }),
    }),
  }),
  userId: z.string().default(""),
});
export type ApiKey = z.output<typeof keySchema>;

export interface KeyRequest {
  readonly reusable: boolean;
  readonly ephemeral: boolean;
  readonly preauthorized: boolean;
  readonly tags: readonly string[];
  /** 0 for the service's own default. */
  readonly expirySeconds: number;
  readonly description: string;
}

const failureSchema = z.object({ message: z.string().default(""), data: z.array(z.unknown()).optional() });

interface Sent {
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class TailscaleClient {
  readonly #settings: ClientSettings;
  #token: { readonly value: string; readonly until: number } | undefined;

  constructor(settings: ClientSettings) {
    this.#settings = settings;
  }

  async createKey({ description, expirySeconds, ...create }: KeyRequest): Promise<ApiKey> {
    const order = { capabilities: { devices: { create } }, expirySeconds, description };
    return keySchema.parse(JSON.parse(await this.#tailnet("POST", "keys", asJson(order))));
  }

  /** `undefined`: there is none. */
  async key(id: string): Promise<ApiKey | undefined> {
    const text = await orNothing(this.#tailnet("GET", `keys/${encodeURIComponent(id)}`));
    return text === undefined ? undefined : keySchema.parse(JSON.parse(text));
  }

  /** Succeeds when it is already gone. */
  async deleteKey(id: string): Promise<void> {
    await orNothing(this.#tailnet("DELETE", `keys/${encodeURIComponent(id)}`));
  }

  /** The policy file as it was written. */
  policy(): Promise<string> {
    return this.#tailnet("GET", "acl", { headers: { accept: "application/hujson" } });
  }

  /** @param etag - the policy must be this one; "" for any. */
  async setPolicy(policy: string, etag: string): Promise<void> {
    const match = etag === "" ? {} : { "if-match": `"${etag}"` };
    await this.#tailnet("POST", "acl", {
      body: policy,
      headers: { "content-type": "application/hujson", ...match },
    });
  }

  async magicDns(): Promise<boolean> {
    const schema = z.object({ magicDNS: z.boolean() });
    return schema.parse(JSON.parse(await this.#tailnet("GET", "dns/preferences"))).magicDNS;
  }

  async setMagicDns(magicDNS: boolean): Promise<void> {
    await this.#tailnet("POST", "dns/preferences", asJson({ magicDNS }));
  }

  async #tailnet(method: string, path: string, sent: Sent = {}): Promise<string> {
    return this.#send(method, `tailnet/${encodeURIComponent(this.#settings.tailnet)}/${path}`, {
      ...sent,
      headers: { authorization: await this.#authorization(), ...sent.headers },
    });
  }

  async #authorization(): Promise<string> {
    const { credentials } = this.#settings;
    if ("apiKey" in credentials) return basic(credentials.apiKey, "");
    if (this.#token === undefined || Date.now() >= this.#token.until) {
      const form = { grant_type: "client_credentials", scope: credentials.scopes.join(" ") };
      const text = await this.#send("POST", "oauth/token", {
        body: new URLSearchParams(form).toString(),
        headers: {
          authorization: basic(credentials.clientId, credentials.clientSecret),
          "content-type": "application/x-www-form-urlencoded",
        },
      });
      const schema = z.object({ access_token: z.string(), expires_in: z.number() });
      const { access_token: value, expires_in: seconds } = schema.parse(JSON.parse(text));
      this.#token = { value, until: Date.now() + seconds * 1000 - TOKEN_MARGIN_MILLISECONDS };
    }
    return `Bearer ${this.#token.value}`;
  }

  async #send(method: string, path: string, { body, headers }: Sent): Promise<string> {
    const response = await fetch(new URL(`/api/v2/${path}`, this.#settings.baseUrl), {
      method,
      headers: { ...headers },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(REQUEST_MILLISECONDS),
    });
    const text = await response.text();
    if (response.ok) return text;
    throw new TailscaleError(response.status, reasonOf(text));
  }
}

function reasonOf(text: string): string {
  try {
    const { message, data } = failureSchema.parse(JSON.parse(text));
    return data === undefined ? message : `${message}: ${JSON.stringify(data)}`;
  } catch {
    return text.trim();
  }
}

function asJson(value: unknown): Sent {
  return { body: JSON.stringify(value), headers: { "content-type": "application/json" } };
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

async function orNothing(answer: Promise<string>): Promise<string | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof TailscaleError && error.status === 404) return undefined;
    throw error;
  }
}
