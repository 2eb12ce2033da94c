/** Podman's API service: a process of this machine that outlives the provider. */
import { spawn } from "node:child_process";
import { mkdir, readFile, rm, rmdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { givesOk } from "./http.ts";
import { type Clock, waitFor } from "./wait.ts";

export interface PodmanServices {
  /** Process id of a service that answers in this directory, or `undefined`. */
  find(directory: string): Promise<number | undefined>;
  /** Starts one and waits until it answers. */
  start(directory: string, signal: AbortSignal): Promise<number>;
  /** Ends it and removes the directory; succeeds when there is none. */
  stop(directory: string): Promise<void>;
}

const START_SECONDS = 20;
const STOP_SECONDS = 5;
const SCRIPT = fileURLToPath(new URL("start-service.sh", import.meta.url));

export function socketIn(directory: string): string {
  return `${directory}/podman.sock`;
}

function answers(socketPath: string): Promise<boolean> {
  return givesOk({ socketPath, path: "/_ping" });
}

async function readPid(directory: string): Promise<number | undefined> {
  const text = await readFile(`${directory}/service.pid`, "utf8").catch(() => "");
  const pid = Number.parseInt(text, 10);
  return Number.isNaN(pid) ? undefined : pid;
}

/** True when the process is that service: a process id may meanwhile be someone else's. */
async function isService(pid: number, directory: string): Promise<boolean> {
  const line = await readFile(`/proc/${String(pid)}/cmdline`, "utf8").catch(() => "");
  return line.includes(socketIn(directory));
}

/** {@link PodmanServices} with real processes. */
export class SystemPodmanServices implements PodmanServices {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async find(directory: string): Promise<number | undefined> {
    const pid = await readPid(directory);
    if (pid === undefined || !(await isService(pid, directory))) return undefined;
    return (await answers(socketIn(directory))) ? pid : undefined;
  }

  async start(directory: string, signal: AbortSignal): Promise<number> {
    // The directory stays when it is there: stewards have it mounted, a new one would be another.
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await this.#end(directory);
    await rm(socketIn(directory), { force: true });
    const child = spawn("sh", [SCRIPT, directory], { detached: true, stdio: "ignore" });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    const pid = code === 0 ? await readPid(directory) : undefined;
    const found =
      pid === undefined
        ? undefined
        : await waitFor(async () => ((await answers(socketIn(directory))) ? pid : undefined), {
            seconds: START_SECONDS,
            signal,
            clock: this.#clock,
            firstMilliseconds: 50,
            maximumMilliseconds: 300,
          });
    if (found !== undefined) return found;
    const log = await readFile(`${directory}/service.log`, "utf8").catch(() => "");
    const reason = log.trim().split("\n").at(-1) ?? "";
    throw new Error(
      `Podman's API service did not answer on ${socketIn(directory)} within ${String(START_SECONDS)} s` +
        (reason === "" ? "" : `: ${reason}`),
    );
  }

  async stop(directory: string): Promise<void> {
    await this.#end(directory);
    await rm(directory, { recursive: true, force: true });
    // The folder of all clusters goes with the last one.
    if (basename(dirname(directory)) === "homespan") await rmdir(dirname(directory)).catch(() => undefined);
  }

  async #end(directory: string): Promise<void> {
    const pid = await readPid(directory);
    if (pid === undefined || !(await isService(pid, directory))) return;
    process.kill(pid, "SIGTERM");
    const { signal } = new AbortController();
    const ended = await waitFor(async () => ((await isService(pid, directory)) ? undefined : true), {
      seconds: STOP_SECONDS,
      signal,
      clock: this.#clock,
      firstMilliseconds: 50,
    });
    if (ended === undefined) process.kill(pid, "SIGKILL");
  }
}
