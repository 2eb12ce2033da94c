/** Writes to the API through one server, twice a second, and keeps the longest time between two writes that went through. */
import { Buffer } from "node:buffer";
import { Agent, request } from "node:https";
import { parse } from "yaml";
import type { Cluster } from "./cluster.ts";
import { pause } from "./wait.ts";

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { readonly "certificate-authority-data": string } }[];
  readonly users: readonly {
    readonly user: { readonly "client-certificate-data": string; readonly "client-key-data": string };
  }[];
}

const path = "/api/v1/namespaces/default/configmaps/pulse";

function decoded(text: string | undefined): Buffer {
  return Buffer.from(text ?? "", "base64");
}

export class Pulse {
  longestGapSeconds = 0;
  readonly #port: number;
  readonly #agent: Agent;
  #last = performance.now();
  #running = true;
  #loop: Promise<void> = Promise.resolve();

  private constructor(port: number, kubeconfig: Kubeconfig) {
    const [entry] = kubeconfig.clusters;
    const [user] = kubeconfig.users;
    this.#port = port;
    this.#agent = new Agent({
      ca: decoded(entry?.cluster["certificate-authority-data"]),
      cert: decoded(user?.user["client-certificate-data"]),
      key: decoded(user?.user["client-key-data"]),
      keepAlive: false,
    });
  }

  /** Through the server that is published `offset` ports above the cluster's first. */
  static async start(cluster: Cluster, server: string, offset: number): Promise<Pulse> {
    const output = await cluster.output("kubeconfig");
    if (typeof output !== "string") throw new Error("the output kubeconfig is no text");
    const pulse = new Pulse(cluster.apiPort + offset, parse(output) as Kubeconfig);
    await cluster
      .kubectl(["create", "configmap", "pulse"], { server })
      .catch(() => "it is there from the last round");
    pulse.#last = performance.now();
    pulse.#loop = pulse.#beat();
    return pulse;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
    this.#measure();
    this.#agent.destroy();
  }

  #measure(): void {
    const now = performance.now();
    this.longestGapSeconds = Math.max(this.longestGapSeconds, (now - this.#last) / 1000);
  }

  async #beat(): Promise<void> {
    while (this.#running) {
      if (await this.#write()) {
        this.#measure();
        this.#last = performance.now();
      }
      await pause(0.5);
    }
  }

  /** True when the write was accepted within three seconds. */
  #write(): Promise<boolean> {
    const body = JSON.stringify({ data: { at: new Date().toISOString() } });
    return new Promise((resolve) => {
      const call = request(
        {
          host: "127.0.0.1",
          port: this.#port,
          path,
          method: "PATCH",
          agent: this.#agent,
          timeout: 3000,
          headers: { "content-type": "application/merge-patch+json" },
        },
        (response) => {
          response.resume();
          response.once("end", () => {
            resolve(response.statusCode === 200);
          });
        },
      );
      call.once("timeout", () => call.destroy(new Error("too slow")));
      call.once("error", () => {
        resolve(false);
      });
      call.end(body);
    });
  }
}
