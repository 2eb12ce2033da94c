/**
 * Podman's lists through the API service of a cluster on this machine, where one answers: a `podman` of our own starts for
 * a tenth of a second of a core each time, and a refresh asks for four lists.
 * https://docs.podman.io/en/latest/_static/api.html
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Agent, request } from "./http.ts";
import { socketIn } from "./podman-service.ts";

/** What the service answers to each of Podman's list commands, in the same form. */
const PATHS = {
  containers: "containers/json?all=true",
  pods: "pods/json",
  volumes: "volumes/json",
  networks: "networks/json",
} as const;
const MILLISECONDS = 5000;

/** Asks the service behind one of the sockets. */
export class PodmanSocket {
  readonly #root: string;
  readonly #agent = new Agent({ keepAlive: true });
  #socket: string | undefined;

  /** @param root directory of the clusters' socket directories */
  constructor(root = "/run/homespan") {
    this.#root = root;
  }

  /** The list as Podman gives it; `undefined` when no service answers. */
  async list(kind: keyof typeof PATHS): Promise<readonly unknown[] | undefined> {
    const sockets = this.#socket === undefined ? await this.#sockets() : [this.#socket];
    for (const socketPath of sockets) {
      const answer = await this.#get(socketPath, PATHS[kind]);
      this.#socket = answer === undefined ? undefined : socketPath;
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  async #sockets(): Promise<readonly string[]> {
    const clusters = await readdir(this.#root).catch(() => []);
    return clusters.map((cluster) => socketIn(join(this.#root, cluster)));
  }

  #get(socketPath: string, path: string): Promise<readonly unknown[] | undefined> {
    return new Promise((resolve) => {
      const outgoing = request(
        { socketPath, path: `/v4.0.0/libpod/${path}`, agent: this.#agent, timeout: MILLISECONDS },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", () => {
            resolve(undefined);
          });
          response.on("end", () => {
            resolve(response.statusCode === 200 ? listIn(Buffer.concat(chunks)) : undefined);
          });
        },
      );
      outgoing.on("timeout", () => outgoing.destroy());
      outgoing.on("error", () => {
        resolve(undefined);
      });
      outgoing.end();
    });
  }
}

function listIn(body: Buffer): readonly unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString() || "null");
    // An empty list may be `null`.
    if (parsed === null) return [];
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
