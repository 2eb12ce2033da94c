/** One Headscale server's HTTP API, by its address and under its own authority. https://headscale.net/stable/ref/api/ */
import { Agent, request } from "node:https";
import { getCACertificates } from "node:tls";
import { headscaleKeyVariable } from "../../components/upstream/headscale.ts";
import type { HeadscaleServerRef } from "../schema/common.ts";
import type { ServerAddress } from "./headscale.ts";

const REQUEST_MILLISECONDS = 10_000;
/** Of a container on this machine. */
const CONNECT_MILLISECONDS = 1500;
/** Of a server in the internet, by way of its name and perhaps a proxy. */
const FAR_CONNECT_MILLISECONDS = 8000;

/** The way in. */
export interface Door extends ServerAddress {
  readonly apiKey: string;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** No answer came: the server is starting, stopped or gone. */
export class Silent extends Error {
  /** Node's name of what kept it from answering: `ECONNREFUSED`, `SELF_SIGNED_CERT_IN_CHAIN`; "" for none. */
  readonly code: string;
  constructor(message: string, code = "") {
    super(message);
    this.code = code;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * For a server that is not a cluster's own: with the certificates Node trusts, NODE_EXTRA_CA_CERTS among them, beside the
 * given one, and by the proxy that HTTPS_PROXY names.
 */
export function farAgent(
  { caCertificate }: Pick<HeadscaleServerRef, "caCertificate">,
  proxyEnv: Environment,
): Agent {
  const trust = caCertificate === "" ? {} : { ca: [...getCACertificates("default"), caCertificate] };
  return new Agent({ keepAlive: true, ...trust, proxyEnv });
}

/** Asks once. @throws {@link Silent} without an answer. */
export function askFar(agent: Agent, url: URL, headers: Record<string, string> = {}): Promise<Answer> {
  return send(agent, url, "GET", headers, undefined, FAR_CONNECT_MILLISECONDS);
}

function send(
  agent: Agent,
  url: URL,
  method: string,
  headers: Record<string, string>,
  body: unknown,
  connectMilliseconds = CONNECT_MILLISECONDS,
): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise<Answer>((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        agent,
        timeout: REQUEST_MILLISECONDS,
        headers: { ...headers, ...(text === undefined ? {} : { "content-type": "application/json" }) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const content = Buffer.concat(chunks).toString();
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(content || "null") as unknown });
          } catch {
            resolve({ status: response.statusCode ?? 0, body: content });
          }
        });
      },
    );
    // A container that has ended answers nothing at all, which the system takes seconds to notice.
    const connecting = setTimeout(
      () => outgoing.destroy(new Error("no connection in time")),
      connectMilliseconds,
    );
    outgoing.on("socket", (socket) => {
      if (!socket.connecting) clearTimeout(connecting);
      socket.once("connect", () => {
        clearTimeout(connecting);
      });
    });
    outgoing.on("close", () => {
      clearTimeout(connecting);
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      reject(new Silent(error.message, error.code));
    });
    outgoing.end(text);
  });
}

/** One server's API. */
export class HeadscaleApi {
  readonly #apiKey: string;
  readonly #url: string;
  readonly #agent: Agent;
  readonly #far: boolean;

  private constructor(agent: Agent, { url, apiKey }: Pick<Door, "url" | "apiKey">, far: boolean) {
    this.#agent = agent;
    this.#url = url;
    this.#apiKey = apiKey;
    this.#far = far;
  }

  /** Of the server in a container, under the authority that was made for it. */
  static near(door: Door, ca: string): HeadscaleApi {
    return new HeadscaleApi(new Agent({ keepAlive: true, ca, servername: door.serverName }), door, false);
  }

  /**
   * Of a server that is not a cluster's own.
   *
   * @throws where the environment has no key for it
   */
  static far(ref: HeadscaleServerRef, environment: Environment): HeadscaleApi {
    const apiKey = environment[headscaleKeyVariable] ?? "";
    if (apiKey === "") {
      throw new Error(
        `\`${headscaleKeyVariable}\` must be set to an API key of ${ref.url} (headscale apikeys create), found none`,
      );
    }
    return new HeadscaleApi(farAgent(ref, environment), { url: ref.url, apiKey }, true);
  }

  /** @throws {@link Silent} without an answer. */
  async send(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.#apiKey}` };
    const url = new URL(path, this.#url);
    if (!this.#far) return send(this.#agent, url, method, headers, body);
    try {
      return await send(this.#agent, url, method, headers, body, FAR_CONNECT_MILLISECONDS);
    } catch (error) {
      if (!(error instanceof Silent)) throw error;
      throw new Silent(`Headscale at ${this.#url} does not answer: ${error.message}`, error.code);
    }
  }

  /** The answer's body; `undefined` for one that says it is not there, where that is as good. */
  async call(method: string, path: string, body?: unknown, harmless?: RegExp): Promise<unknown> {
    const answer = await this.send(method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    if (this.#far && answer.status === 401) {
      throw new Error(
        `\`${headscaleKeyVariable}\` must be a valid API key of ${this.#url} (headscale apikeys list), was refused`,
      );
    }
    const said = (answer.body as { message?: string } | null)?.message ?? `HTTP ${String(answer.status)}`;
    if (harmless?.test(said) === true) return undefined;
    throw new Error(`Headscale refused ${method} ${path.replace(/\?.*$/, "")}: ${said}`);
  }

  end(): void {
    this.#agent.destroy();
  }
}

/** `silent`: nobody listens there yet. `unreachable`: this machine has no way to containers. */
export async function healthOf(
  { url, serverName }: ServerAddress,
  ca: string,
): Promise<"yes" | "silent" | "unreachable"> {
  const agent = new Agent({ ca, servername: serverName });
  try {
    const { status } = await send(agent, new URL("/health", url), "GET", {}, undefined);
    return status === 200 ? "yes" : "silent";
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return /ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|in time/.test(reason) ? "unreachable" : "silent";
  } finally {
    agent.destroy();
  }
}
