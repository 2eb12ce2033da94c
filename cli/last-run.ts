/** What the last run on a stack failed with, from its log. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseEvent } from "./events.ts";
import type { Paths } from "./paths.ts";
import { Progress, type ResourceError } from "./progress.ts";

export interface LastRun {
  readonly logFile: string;
  /** The last error of each resource; empty where it succeeded. */
  readonly errors: readonly ResourceError[];
}

/** `undefined` where no run left a log. */
export async function lastRun(paths: Paths, stack: string): Promise<LastRun | undefined> {
  const folder = join(paths.logs, stack);
  const newest = (await readdir(folder).catch(() => [])).sort().at(-1);
  if (newest === undefined) return undefined;
  const logFile = join(folder, newest);
  const progress = new Progress(() => undefined);
  for (const line of (await readFile(logFile, "utf8")).split("\n")) {
    const event = parseEvent(line);
    if (event !== undefined) progress.handle(event);
  }
  return { logFile, errors: progress.resourceErrors };
}
