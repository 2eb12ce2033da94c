/**
 * Podman's lists and removals through the API service of a cluster on this machine, where one answers: a `podman` of our own starts
 * for a tenth of a second of a core each time; a refresh asks for four lists, and a destroy removes a dozen objects.
 * https://docs.podman.io/en/latest/_static/api.html
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { socketsFolder } from "../../toolchain/folders.ts";
import { Agent, request } from "./http.ts";
import { socketIn } from "./podman-service.ts";

/** What the service answers to each of Podman's list commands, in the same form. */
const PATHS = {
  containers: "containers/json?all=true",
  pods: "pods/json",
  volumes: "volumes/json",
  networks: "networks/json",
} as const;
const LIST_MILLISECONDS = 5000;

/** What the service removes. Not networks: it answers 200 to a removal that it refused (pkg/api/handlers/libpod/networks.go). */
const REMOVALS = {
  pods: (name: string, seconds: number) => `pods/${name}?force=true&timeout=${String(seconds)}`,
  containers: (name: string, seconds: number) =>
    `containers/${name}?force=true&ignore=true&volumes=true&timeout=${String(seconds)}`,
  volumes: (name: string) => `volumes/${name}`,
} as const;
export type Removable = keyof typeof REMOVALS;
const REMOVAL_MILLISECONDS = 60_000;

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** Asks the service behind one of the sockets. */
export class PodmanSocket {
  readonly #root: string;
  readonly #agent = new Agent({ keepAlive: true });
  #socket: string | undefined;

  /** @param root directory of the clusters' socket directories */
  constructor(root = socketsFolder()) {
    this.#root = root;
  }

  /** The list as Podman gives it; `undefined` when no service answers. */
  async list(kind: keyof typeof PATHS): Promise<readonly unknown[] | undefined> {
    const sockets = this.#socket === undefined ? await this.#sockets() : [this.#socket];
    for (const socketPath of sockets) {
      const answer = await this.#ask(socketPath, "GET", PATHS[kind], LIST_MILLISECONDS);
      const list = answer?.status === 200 ? listIn(answer.body) : undefined;
      this.#socket = list === undefined ? undefined : socketPath;
      if (list !== undefined) return list;
    }
    return undefined;
  }

  /**
   * Removes an object through the service that last answered.
   *
   * @returns false when it is not known to be gone: nothing answered, or the service refused.
   */
  async remove(kind: Removable, name: string, stopSeconds: number): Promise<boolean> {
    if (this.#socket === undefined) return false;
    const milliseconds = REMOVAL_MILLISECONDS + stopSeconds * 1000;
    const path = REMOVALS[kind](encodeURIComponent(name), stopSeconds);
    const answer = await this.#ask(this.#socket, "DELETE", path, milliseconds);
    if (answer === undefined) this.#socket = undefined;
    return answer !== undefined && (answer.status < 300 || answer.status === 404);
  }

  async #sockets(): Promise<readonly string[]> {
    const clusters = await readdir(this.#root).catch(() => []);
    return clusters.map((cluster) => socketIn(join(this.#root, cluster)));
  }

  #ask(
    socketPath: string,
    method: "GET" | "DELETE",
    path: string,
    timeout: number,
  ): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const outgoing = request(
        { socketPath, method, path: `/v4.0.0/libpod/${path}`, agent: this.#agent, timeout },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", () => {
            resolve(undefined);
          });
          response.on("end", () => {
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) });
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
