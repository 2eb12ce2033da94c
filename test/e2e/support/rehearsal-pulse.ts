/** Writes to the API and reads back, each second, through every server at the same time, and remembers what went through. */
import { Buffer } from "node:buffer";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import type { RehearsedStack } from "./rehearsal.ts";
import { pause } from "./wait.ts";

interface Kubeconfig {
  readonly clusters: readonly {
    readonly cluster: { readonly "certificate-authority-data": string; readonly "proxy-url": string };
  }[];
  readonly users: readonly {
    readonly user: { readonly "client-certificate-data": string; readonly "client-key-data": string };
  }[];
}

/** One attempt through one server. */
interface Beat {
  /** Milliseconds of `performance.now()` when it ended. */
  readonly at: number;
  /** The write was accepted, and read back as it was written. */
  readonly served: boolean;
}

/** What clients of the API met between two moments. */
export interface Experience {
  /** Attempts of a client that knows this server alone, and how many failed. */
  readonly through: Readonly<Record<string, { readonly tried: number; readonly failed: number }>>;
  /** The longest time in which no server served anyone. */
  readonly longestGapSeconds: number;
}

/** An attempt, write and read together, fails after this long. */
const patienceSeconds = 3;

function decoded(encoded: string | undefined): Buffer {
  return Buffer.from(encoded ?? "", "base64");
}

export class RehearsalPulse {
  readonly #agent: Agent;
  readonly #urls: Readonly<Record<string, string>>;
  readonly #beats = new Map<string, Beat[]>();
  readonly #loops: Promise<void>[];
  #running = true;

  private constructor(kubeconfig: Kubeconfig, urls: Readonly<Record<string, string>>) {
    const [entry] = kubeconfig.clusters;
    const [user] = kubeconfig.users;
    this.#agent = new Agent({
      ca: decoded(entry?.cluster["certificate-authority-data"]),
      cert: decoded(user?.user["client-certificate-data"]),
      key: decoded(user?.user["client-key-data"]),
      keepAlive: false,
      proxyEnv: { HTTPS_PROXY: entry?.cluster["proxy-url"] },
    });
    this.#urls = urls;
    this.#loops = Object.keys(urls).map((server) => this.#beat(server));
  }

  static async start(stack: RehearsedStack, servers: readonly string[]): Promise<RehearsalPulse> {
    const kubeconfig = parse(await stack.renewKubeconfig()) as Kubeconfig;
    const urls: Record<string, string> = {};
    for (const server of servers) urls[server] = await stack.apiUrl(server);
    // A former pulse may have left them.
    const items = servers.map((server) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: `pulse-${server}`, namespace: "default" },
    }));
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    await stack.kubectl(["apply", "--filename=-"], { input });
    return new RehearsalPulse(kubeconfig, urls);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
    this.#agent.destroy();
  }

  /** @param since milliseconds of `performance.now()` */
  experience(since: number): Experience {
    const recent = [...this.#beats].map(([server, beats]) => ({
      server,
      beats: beats.filter(({ at }) => at >= since),
    }));
    const served = recent.flatMap(({ beats }) => beats.filter((beat) => beat.served).map(({ at }) => at));
    const moments = [since, ...served.sort((one, other) => one - other), performance.now()];
    const gaps = moments.slice(1).map((moment, index) => moment - (moments[index] ?? moment));
    return {
      through: Object.fromEntries(
        recent.map(({ server, beats }) => [
          server,
          { tried: beats.length, failed: beats.filter((beat) => !beat.served).length },
        ]),
      ),
      longestGapSeconds: Math.max(...gaps) / 1000,
    };
  }

  async #beat(server: string): Promise<void> {
    const beats: Beat[] = [];
    this.#beats.set(server, beats);
    while (this.#running) {
      const started = performance.now();
      const served = await this.#writeAndRead(server);
      beats.push({ at: performance.now(), served });
      await pause(Math.max(0, 1 - (performance.now() - started) / 1000));
    }
  }

  /** Never later than its patience allows: a call that waits for the proxy to connect cannot be broken off. */
  async #writeAndRead(server: string): Promise<boolean> {
    const url = `${this.#urls[server] ?? ""}/api/v1/namespaces/default/configmaps/pulse-${server}`;
    const moment = new Date().toISOString();
    const attempt = async (): Promise<boolean> => {
      await this.#call("PATCH", url, JSON.stringify({ data: { moment } }));
      const read = JSON.parse(await this.#call("GET", url)) as {
        readonly data?: { readonly moment?: string };
      };
      return read.data?.moment === moment;
    };
    return Promise.race([attempt().catch(() => false), pause(patienceSeconds).then(() => false)]);
  }

  #call(method: string, url: string, body?: string): Promise<string> {
    const headers = body === undefined ? {} : { "content-type": "application/merge-patch+json" };
    return new Promise((resolve, reject) => {
      const call = request(
        url,
        { method, agent: this.#agent, timeout: patienceSeconds * 1000, headers },
        (response) => {
          text(response).then((said) => {
            if (response.statusCode === 200) resolve(said);
            else reject(new Error(said));
          }, reject);
        },
      );
      call.once("timeout", () => call.destroy(new Error("too slow")));
      call.once("error", reject);
      call.end(body);
    });
  }
}
