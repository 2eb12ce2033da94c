/** Lets two runs share the cache: what one makes, the other waits for. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import lockfile from "proper-lockfile";

/** A holder that did not renew its lock for this long is gone. */
const STALE_MS = 30_000;
/** Longer than the slowest build on a small machine. */
const PATIENCE_MS = 60 * 60_000;

export interface LockOptions {
  /** Called once when another run holds the lock. */
  readonly onWait?: () => void;
  readonly patienceMs?: number;
  readonly pollMs?: number;
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
      return await lockfile.lock(path, {
        realpath: false,
        stale: STALE_MS,
        update: STALE_MS / 3,
        // A machine that slept looks like a lost lock; the work's own rename keeps the result whole.
        onCompromised: () => undefined,
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
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
