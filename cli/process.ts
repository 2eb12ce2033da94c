/** Facts about processes. */
import { readFileSync, readdirSync } from "node:fs";

export interface RunningProcess {
  readonly pid: number;
  /** Its command line. */
  readonly words: readonly string[];
}

/** All processes but this one; none where there is no /proc. */
export function listProcesses(): RunningProcess[] {
  let entries: string[];
  try {
    entries = readdirSync("/proc");
  } catch {
    return [];
  }
  return entries
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((entry) => {
      try {
        const words = readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0");
        return [{ pid: Number(entry), words }];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
}
