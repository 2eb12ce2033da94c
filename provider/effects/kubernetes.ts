/**
 * The Kubernetes API over node:https with the client certificate of the admin kubeconfig.
 *
 * @kubernetes/client-node has every type of the API and takes most of a second to load; this provider reads nodes
 * at every preview and needs eight requests in all (docs/decisions).
 *
 * A cluster may be reachable through a proxy alone: its kubeconfig says which, in the field every client of Kubernetes knows.
 */
import { Agent, request } from "node:https";
import { setTimeout as delay } from "node:timers/promises";

/** How to reach one cluster. */
export interface ClusterAccess {
  /** YAML or JSON, with embedded certificates. */
  readonly kubeconfig: string;
  /** Tried in this order; the last one that answered is tried first. */
  readonly endpoints: readonly string[];
}

export type Verb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What the API answered; every HTTP status is an answer. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface KubernetesApi {
  /** @throws {@link Unreachable} when no endpoint answers; one that only says that it cannot now has answered. */
  call(verb: Verb, path: string, body?: unknown): Promise<Answer>;
}

export interface Kubernetes {
  connect(access: ClusterAccess): Promise<KubernetesApi>;
  /**
   * True when a k3s server answers there, whoever's it is.
   *
   * @throws {@link Unreachable} when the proxy itself does not answer.
   */
  ping(url: string, proxyUrl?: string): Promise<boolean>;
}

/** No endpoint answered. */
export class Unreachable extends Error {}

/**
 * True for an answer that says nothing about what was asked: 503 (the API server runs, its datastore does not), 500 and 504
 * (etcd changes its leader, or took too long), 429 (too much to do; to an eviction it means "not now").
 */
export function cannotAnswer(status: number): boolean {
  return status === 429 || status >= 500;
}

interface Connection {
  readonly tls: {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
    readonly servername?: string;
  };
  readonly proxyUrl: string | undefined;
}

export interface KubernetesTiming {
  /**
   * How long a question waits for its answer. A way into a tailnet that was not used for a while begins with a handshake, and
   * one that gets lost is repeated after five seconds (REKEY_TIMEOUT of WireGuard): long enough for two that do.
   */
  readonly readMilliseconds: number;
  /** A server that has not answered a question by then may be gone: the next one is asked beside it. */
  readonly nextMilliseconds: number;
}

const TIMING: KubernetesTiming = { readMilliseconds: 17_000, nextMilliseconds: 3000 };
const PING_MILLISECONDS = 2000;
/** A removal may hold its answer until finalizers ran. */
const CHANGE_MILLISECONDS = 30_000;
const PATCH = "application/strategic-merge-patch+json";

function decode(value: string | undefined): string {
  return Buffer.from(value ?? "", "base64").toString();
}

interface RawKubeconfig {
  clusters?: {
    cluster?: { "certificate-authority-data"?: string; "tls-server-name"?: string; "proxy-url"?: string };
  }[];
  users?: { user?: { "client-certificate-data"?: string; "client-key-data"?: string } }[];
}

async function connectionOf(kubeconfig: string): Promise<Connection> {
  const { parse } = await import("yaml");
  const raw = parse(kubeconfig) as RawKubeconfig | null;
  const cluster = raw?.clusters?.[0]?.cluster;
  const user = raw?.users?.[0]?.user;
  const servername = cluster?.["tls-server-name"];
  return {
    tls: {
      ca: decode(cluster?.["certificate-authority-data"]),
      cert: decode(user?.["client-certificate-data"]),
      key: decode(user?.["client-key-data"]),
      ...(servername === undefined ? {} : { servername }),
    },
    proxyUrl: cluster?.["proxy-url"],
  };
}

/** No proxy but this one: those of the environment are for other ways than the one into the cluster's network. */
function proxyEnvironment(proxyUrl: string | undefined): { proxyEnv?: { HTTPS_PROXY: string } } {
  return proxyUrl === undefined ? {} : { proxyEnv: { HTTPS_PROXY: proxyUrl } };
}

/** An error from before the proxy was reached: the rest of the way is the proxy's, which tells its errors by HTTP. */
function proxyIsAway(error: unknown, proxyUrl: string | undefined): error is NodeJS.ErrnoException {
  const { syscall } = error as NodeJS.ErrnoException;
  return proxyUrl !== undefined && (syscall === "connect" || syscall === "getaddrinfo");
}

function awayText(proxyUrl: string | undefined, error: NodeJS.ErrnoException): string {
  return `the proxy ${proxyUrl ?? ""} does not answer (${error.code ?? error.message}); a tailnet operator starts again in an update with --refresh`;
}

function send(agent: Agent, url: URL, verb: Verb, body: unknown, timeout: number): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = {
      accept: "application/json",
      ...(text === undefined
        ? {}
        : {
            "content-type": verb === "PATCH" ? PATCH : "application/json",
            "content-length": String(Buffer.byteLength(text)),
          }),
    };
    const outgoing = request(url, { method: verb, agent, headers, timeout }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const content = Buffer.concat(chunks).toString();
        const json = response.headers["content-type"]?.includes("json") ?? false;
        try {
          const body = json ? (JSON.parse(content) as unknown) : content;
          resolve({ status: response.statusCode ?? 0, body });
        } catch {
          // Thrown from here it would end the whole provider.
          reject(new Error("an answer that is no JSON"));
        }
      });
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
    outgoing.on("error", reject);
    outgoing.end(text);
  });
}

interface Outcome {
  readonly endpoint: string;
  readonly answer?: Answer;
  /** Where there is no answer. */
  readonly error?: unknown;
}

class HttpsApi implements KubernetesApi {
  readonly #agent: Agent;
  readonly #proxyUrl: string | undefined;
  readonly #timing: KubernetesTiming;
  #endpoints: readonly string[];

  constructor({ tls, proxyUrl }: Connection, endpoints: readonly string[], timing: KubernetesTiming) {
    this.#timing = timing;
    this.#agent = new Agent({ keepAlive: true, ...tls, ...proxyEnvironment(proxyUrl) });
    this.#proxyUrl = proxyUrl;
    this.#endpoints = endpoints;
  }

  async call(verb: Verb, path: string, body?: unknown): Promise<Answer> {
    const reasons: string[] = [];
    const left = new Set(this.#endpoints);
    const asked = new Map<string, Promise<Outcome>>();
    let busy: Answer | undefined;
    while (left.size + asked.size > 0) {
      const [next] = left;
      if (next !== undefined) {
        left.delete(next);
        asked.set(next, this.#ask(next, verb, path, body));
      }
      // For one that is silent nobody waits long while there is another to ask, or while one that is busy may be asked again.
      const hurry = verb === "GET" && (left.size > 0 || busy !== undefined);
      const pause = hurry ? [delay(this.#timing.nextMilliseconds, undefined, { ref: false })] : [];
      const outcome = await Promise.race([...asked.values(), ...pause]);
      if (outcome === undefined) {
        if (left.size === 0) break;
        continue;
      }
      const { endpoint, answer, error } = outcome;
      asked.delete(endpoint);
      if (answer === undefined) {
        if (proxyIsAway(error, this.#proxyUrl)) throw new Unreachable(awayText(this.#proxyUrl, error));
        reasons.push(`${endpoint}: ${error instanceof Error ? error.message : String(error)}`);
        continue;
      }
      const evictionHeld = verb === "POST" && answer.status === 429;
      // 401: another cluster answers at this address.
      if (answer.status !== 401 && (evictionHeld || !cannotAnswer(answer.status))) {
        this.#endpoints = [endpoint, ...this.#endpoints.filter((other) => other !== endpoint)];
        return answer;
      }
      if (answer.status !== 401) busy = answer;
      reasons.push(`${endpoint}: HTTP ${String(answer.status)}`);
    }
    if (busy !== undefined) return busy;
    throw new Unreachable(`no API endpoint answered (${reasons.join("; ")})`);
  }

  async #ask(endpoint: string, verb: Verb, path: string, body: unknown): Promise<Outcome> {
    const timeout = verb === "GET" ? this.#timing.readMilliseconds : CHANGE_MILLISECONDS;
    try {
      return { endpoint, answer: await send(this.#agent, new URL(path, endpoint), verb, body, timeout) };
    } catch (error) {
      return { endpoint, error };
    }
  }
}

/** {@link Kubernetes} over the network; connections are kept for the life of the process. */
export class HttpsKubernetes implements Kubernetes {
  readonly #connections = new Map<string, Promise<KubernetesApi>>();
  readonly #timing: KubernetesTiming;

  constructor(timing = TIMING) {
    this.#timing = timing;
  }

  connect(access: ClusterAccess): Promise<KubernetesApi> {
    const key = JSON.stringify(access);
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const made = connectionOf(access.kubeconfig).then(
      (found) => new HttpsApi(found, access.endpoints, this.#timing),
    );
    this.#connections.set(key, made);
    return made;
  }

  async ping(url: string, proxyUrl?: string): Promise<boolean> {
    // The authority is not known before the first contact; nothing is sent and nothing but the status is used.
    const agent = new Agent({ rejectUnauthorized: false, ...proxyEnvironment(proxyUrl) });
    try {
      const answer = await Promise.race([
        send(agent, new URL("/ping", url), "GET", undefined, PING_MILLISECONDS),
        delay(PING_MILLISECONDS, undefined, { ref: false }),
      ]);
      return answer?.status === 200;
    } catch (error) {
      if (proxyIsAway(error, proxyUrl)) throw new Unreachable(awayText(proxyUrl, error));
      return false;
    } finally {
      agent.destroy();
    }
  }
}
