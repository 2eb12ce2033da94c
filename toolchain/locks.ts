/** Lets two runs share the cache: what one makes, the other waits for. */
import fs from "node:fs";
import { mkdir, readdir, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import lockfile from "proper-lockfile";
import { isGone, processMark } from "./process.ts";

/** A holder that did not renew its lock for this long is gone. It does so three times as often. */
const STALE_MS = 30_000;
/** Longer than the slowest build on a small machine. */
const PATIENCE_MS = 60 * 60_000;

export interface LockOptions {
  /** Called once when another run holds the lock. */
  readonly onWait?: () => void;
  readonly patienceMs?: number;
  readonly pollMs?: number;
  /**
   * Takes the lock of a holder that was killed at once, where that can be known, and not only when it was not renewed. Only for
   * work that goes well beside a program that the holder had started, and that goes on alone. @default false
   */
  readonly fromDead?: boolean;
}

/**
 * Runs `work` while no other process does work of the same name.
 *
 * @throws Error when another run holds the lock for an hour.
 */
export async function withLock<T>(
  folder: string,
  name: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  const release = await acquire(path, options);
  try {
    return await work();
  } finally {
    await release().catch(() => undefined);
  }
}

async function acquire(path: string, options: LockOptions): Promise<() => Promise<void>> {
  const deadline = Date.now() + (options.patienceMs ?? PATIENCE_MS);
  let waiting = false;
  for (;;) {
    try {
      if (options.fromDead === true) await takeFromDead(`${path}.lock`);
      return await lockfile.lock(path, {
        realpath: false,
        stale: STALE_MS,
        update: STALE_MS / 3,
        // A machine that slept looks like a lost lock; the work's own rename keeps the result whole.
        onCompromised: () => undefined,
        ...(options.fromDead === true ? { fs: withMark } : {}),
      });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // ENOENT: another run that saw the same dead lock took away the folder that this one had just made anew.
      if (code !== "ELOCKED" && !(code === "ENOENT" && options.fromDead === true)) throw error;
      if (Date.now() > deadline) {
        throw new Error(
          `another run has held ${path}.lock too long; end it, or remove that folder if there is none`,
          { cause: error },
        );
      }
      if (!waiting) options.onWait?.();
      waiting = true;
      await new Promise((resolve) => setTimeout(resolve, options.pollMs ?? 500));
    }
  }
}

/** `node:fs` as proper-lockfile uses it, but the folder that is the lock has its holder's mark in it. */
const withMark = {
  ...fs,
  mkdir: (lock: string, done: (error: Error | null) => void): void => {
    fs.mkdir(lock, (error) => {
      const mark = processMark();
      if (error !== null || mark === undefined) done(error);
      // Without a mark, on a full disk, the lock is one that is waited for.
      else
        fs.writeFile(join(lock, mark), "", () => {
          done(null);
        });
    });
  },
  rmdir: (lock: string, done: (error: Error | null) => void): void => {
    fs.rm(lock, { recursive: true, force: true }, done);
  },
  rmdirSync: (lock: string): void => {
    fs.rmSync(lock, { recursive: true, force: true });
  },
};

/**
 * Removes a lock whose holder is gone. Of several runs that see it, one can remove the mark, and only that one removes the folder: never a
 * lock that another has taken meanwhile, in which the mark of the dead is not.
 */
async function takeFromDead(lock: string): Promise<void> {
  const mark = (await readdir(lock).catch(() => [])).find(isGone);
  if (mark === undefined) return;
  try {
    await unlink(join(lock, mark));
    await rmdir(lock);
  } catch {
    // Another run was faster.
  }
}
