/** What makes machines for a rehearsed Mac: the rehearsal's daemon, outside of it, by HTTP on a socket. */
import { request } from "node:http";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { HeldDisk } from "./disks.ts";

export interface MachineOrder {
  readonly name: string;
  readonly hostName: string;
  readonly disk: HeldDisk | undefined;
}

export interface SshPlace {
  readonly address: string;
  readonly port: number;
}

export interface Hypervisor {
  /** Makes the machine, or starts it again with what Lima has laid down for its boot; returns where its SSH answers. */
  start(order: MachineOrder): Promise<SshPlace>;
  /** As if its power button was pressed; returns when it is off. */
  stop(name: string): Promise<void>;
  /** Succeeds when it is not there. */
  remove(name: string): Promise<void>;
  /** Returns when it is off. A machine whose `life` nobody waits for any more loses its power, as one does with its driver. */
  life(name: string, signal: AbortSignal): Promise<void>;
}

/** Where the daemon is reached, in a Mac. */
export const hypervisorSocket = "/var/lib/hypervisor/socket";
const retryMilliseconds = 1000;

const startedSchema = z.object({ address: z.string(), port: z.number() });
const failedSchema = z.object({ error: z.string() });

export class SocketHypervisor implements Hypervisor {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async start({ name, ...order }: MachineOrder): Promise<SshPlace> {
    return startedSchema.parse(JSON.parse(await this.#call("POST", `${name}/start`, order)));
  }

  async stop(name: string): Promise<void> {
    await this.#call("POST", `${name}/stop`);
  }

  async remove(name: string): Promise<void> {
    await this.#call("DELETE", name);
  }

  async life(name: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#call("GET", `${name}/life`, undefined, signal);
        return;
      } catch (error) {
        if (signal.aborted || !(error instanceof HypervisorAway)) throw error;
        // A daemon that was started again goes on with the machines there are.
        await sleep(retryMilliseconds, undefined, { signal });
      }
    }
  }

  #call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const away = (error: Error): void => {
        reject(signal?.aborted === true ? error : new HypervisorAway(error));
      };
      const options = { socketPath: this.#socketPath, method, path: `/${hostname()}/${path}` };
      const call = request({ ...options, ...(signal === undefined ? {} : { signal }) }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => (text += part));
        response.on("error", away);
        response.on("end", () => {
          if (response.statusCode === 200) resolve(text);
          else reject(new Error(failureIn(text)));
        });
      });
      call.on("error", away);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** The daemon does not answer. */
export class HypervisorAway extends Error {
  constructor(cause: Error) {
    super(`the rehearsal's daemon must answer, got ${cause.message}`, { cause });
  }
}

function failureIn(text: string): string {
  try {
    return failedSchema.parse(JSON.parse(text)).error;
  } catch {
    return text;
  }
}
