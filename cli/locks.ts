/**
 * One run per stack at a time, and no lock that outlives its holder.
 *
 * A lock is a file with the holder's process id and start time. A holder that was killed cannot remove it: whoever finds
 * such a lock takes it over. The same goes for the lock files Pulumi's file backend leaves behind.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive, startTime } from "../toolchain/process.ts";
import { Failure } from "./errors.ts";

interface Holder {
  readonly pid: number;
  readonly startTime?: string;
  readonly verb: string;
}

/**
 * Runs `work` while holding `file`.
 *
 * @param waitMs how long to wait for another run to end; 0 gives up at once.
 */
export async function withLock<T>(
  file: string,
  verb: string,
  waitMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const started = startTime(process.pid);
  const own: Holder = { pid: process.pid, verb, ...(started === undefined ? {} : { startTime: started }) };
  const deadline = Date.now() + waitMs;
  for (;;) {
    if (await create(file, own)) break;
    const holder = await read(file);
    if (holder === undefined) continue;
    if (!isHeld(holder)) {
      await takeAway(file, holder);
      continue;
    }
    if (Date.now() >= deadline) {
      throw new Failure(
        `another run (\`${holder.verb}\`, pid ${String(holder.pid)}) is at work; wait for it, or stop it with: kill ${String(holder.pid)}`,
      );
    }
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function create(file: string, holder: Holder): Promise<boolean> {
  // Written aside and linked into place: nobody ever reads half a lock.
  const draft = `${file}.${randomUUID()}`;
  const handle = await openInFolder(draft);
  try {
    await handle.writeFile(JSON.stringify(holder));
    await handle.close();
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** A run that removes the last stack may take the folder away just after it was made: then it is made again. */
async function openInFolder(file: string): Promise<FileHandle> {
  for (let attempt = 1; ; attempt += 1) {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    try {
      return await open(file, "w", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === 5) throw error;
    }
  }
}

/** Removes the locks, and drafts of locks, whose holders are dead. */
export async function removeStaleLocks(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const file = join(folder, name);
    const holder = await read(file);
    if (holder !== undefined && !isHeld(holder)) await takeAway(file, holder);
  }
}

async function read(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Holder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    // Not ours to understand: nobody holds it.
    return { pid: 0, verb: "?" };
  }
}

function isHeld(holder: Holder): boolean {
  if (holder.pid <= 0 || !isAlive(holder.pid)) return false;
  return holder.startTime === undefined || holder.startTime === startTime(holder.pid);
}

/** Of several runs that see the same stale lock, the rename lets one through; a lock taken meanwhile is put back. */
async function takeAway(file: string, stale: Holder): Promise<void> {
  const aside = `${file}.stale.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  const found = await read(aside);
  if (found !== undefined && (found.pid !== stale.pid || found.startTime !== stale.startTime)) {
    await link(aside, file).catch(() => undefined);
  }
  await rm(aside, { force: true });
}

/**
 * Removes the locks that killed runs of Pulumi left on a stack and says which.
 *
 * @throws Failure when a living Pulumi holds one.
 */
export async function releaseStalePulumiLocks(
  backend: string,
  project: string,
  stack: string,
): Promise<string[]> {
  const folder = join(backend, ".pulumi", "locks", "organization", project, stack);
  let names: string[];
  try {
    names = await readdir(folder);
  } catch {
    return [];
  }
  const released: string[] = [];
  for (const name of names.filter((candidate) => candidate.endsWith(".json"))) {
    const file = join(folder, name);
    const lock = await readPulumiLock(file);
    if (lock === undefined) continue;
    if (lock.hostname !== hostname()) {
      throw new Failure(
        `the stack is locked from another machine (${lock.hostname ?? "unknown"}, pid ${String(lock.pid)}); when nothing runs there any more: rm ${file}`,
      );
    }
    if (lock.pid !== undefined && !(await endsSoon(lock.pid))) {
      throw new Failure(
        `pulumi (pid ${String(lock.pid)}) is at work on this stack; wait for it, or stop it with: kill -INT ${String(lock.pid)}`,
      );
    }
    await rm(file, { force: true });
    await rm(`${file}.attrs`, { force: true });
    released.push(`pid ${String(lock.pid ?? "unknown")}`);
  }
  return released;
}

/** A process that was killed takes a moment to end. */
async function endsSoon(pid: number): Promise<boolean> {
  const deadline = Date.now() + 3000;
  while (isAlive(pid)) {
    if (Date.now() >= deadline) return false;
    await sleep(100);
  }
  return true;
}

async function readPulumiLock(file: string): Promise<{ pid?: number; hostname?: string } | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as { pid?: number; hostname?: string };
  } catch (error) {
    // Cut off by a full disk or a kill: the process that wrote it cannot be named, so nobody claims it.
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : { hostname: hostname() };
  }
}
