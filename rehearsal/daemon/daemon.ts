/** Starts and ends the daemon of a rehearsal: one process per rehearsal, which outlives whoever started it. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "../../cli/locks.ts";
import { isAlive, startTime } from "../../toolchain/process.ts";
import {
  type DaemonProcess,
  type DaemonState,
  type GivenOrders,
  asText,
  daemonFiles,
  readProcess,
  readState,
  removeState,
  sameOrders,
  writeFileWhole,
} from "./state.ts";

export type { ControlOrder, DaemonState, Orders } from "./state.ts";

export interface DaemonOptions {
  /** Folder of the rehearsal, which has its world.json; `HOMESPAN_REHEARSAL`. */
  readonly folder: string;
  readonly orders: GivenOrders;
  /** How long it may take to answer, its Headscale and its archives included. @default 180 */
  readonly waitSeconds?: number;
  /** Another program in place of the daemon's own, for tests. */
  readonly main?: string;
}

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const STOP_SECONDS = 15;
const POLL_MILLISECONDS = 50;

/**
 * Where the daemon answers; one that runs with these orders is kept, any other ended first.
 *
 * @throws Error with the daemon's own last words when it does not come up.
 */
export async function startDaemon(options: DaemonOptions): Promise<DaemonState> {
  const { folder, orders } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return withLock(daemonFiles(folder).lock, "rehearse", (options.waitSeconds ?? 180) * 1000, async () => {
    const running = await daemonState(folder);
    if (running !== undefined && sameOrders(running.orders, orders)) return running;
    await end(folder);
    await writeFileWhole(daemonFiles(folder).orders, asText(orders));
    return start(options);
  });
}

/** Ends the daemon; what it served stays in files, and its Headscale runs on. Succeeds when there is none. */
export async function stopDaemon(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await withLock(daemonFiles(folder).lock, "rehearse", STOP_SECONDS * 2000, () => end(folder));
}

/** Where the daemon answers; `undefined` when it does not. */
export async function daemonState(folder: string): Promise<DaemonState | undefined> {
  const [daemon, state] = [await readProcess(folder), await readState(folder)];
  if (daemon === undefined || !runs(daemon) || state?.pid !== daemon.pid) return undefined;
  return (await answers(state.apiUrl)) ? state : undefined;
}

async function start({ folder, waitSeconds = 180, main = MAIN }: DaemonOptions): Promise<DaemonState> {
  const log = openSync(daemonFiles(folder).log, "w", 0o600);
  const child = spawn(process.execPath, [main, folder], { detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  const life = { ended: false };
  for (const event of ["error", "exit"]) {
    child.on(event, () => {
      life.ended = true;
    });
  }
  child.unref();
  const until = Date.now() + waitSeconds * 1000;
  while (!life.ended && Date.now() < until) {
    const state = await readState(folder);
    if (state !== undefined && state.pid === child.pid && (await answers(state.apiUrl))) return state;
    await sleep(POLL_MILLISECONDS);
  }
  const words = (await readFile(daemonFiles(folder).log, "utf8")).trim().split("\n").at(-1) ?? "";
  if (!life.ended) child.kill("SIGKILL");
  const why = life.ended ? "ended" : `did not answer within ${String(waitSeconds)} s`;
  throw new Error(`the rehearsal's daemon ${why}: ${words || "it said nothing"}`);
}

async function end(folder: string): Promise<void> {
  const daemon = await readProcess(folder);
  if (daemon !== undefined && runs(daemon)) {
    process.kill(daemon.pid, "SIGTERM");
    const until = Date.now() + STOP_SECONDS * 1000;
    while (runs(daemon) && Date.now() < until) await sleep(POLL_MILLISECONDS);
    if (runs(daemon)) process.kill(daemon.pid, "SIGKILL");
  }
  await removeState(folder);
}

/** A process id may meanwhile be someone else's: the time it started tells. */
function runs({ pid, startTime: started }: DaemonProcess): boolean {
  return isAlive(pid) && startTime(pid) === started;
}

/** True when the API answers, if only that it wants credentials. */
async function answers(apiUrl: string): Promise<boolean> {
  try {
    const response = await fetch(`${apiUrl}/api/v2/tailnet/-/keys`, { signal: AbortSignal.timeout(3000) });
    await response.arrayBuffer();
    return response.status === 401;
  } catch {
    return false;
  }
}
