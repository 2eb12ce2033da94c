/** Facts about processes. */
import { readFileSync, readdirSync } from "node:fs";

/** True while a process of that id runs, whoever owns it. One that has ended and waits for its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return !/^[ZX]/.test(statFields(pid)?.[0] ?? "");
}

/**
 * When a process was started, in the kernel's own unit: tells a process from a later one that got its id.
 * Undefined where the system does not say.
 */
export function startTime(pid: number): string | undefined {
  return statFields(pid)?.[19];
}

/** What /proc says of a process from its state on; undefined where there is no /proc, or no such process any more. */
function statFields(pid: number): readonly string[] | undefined {
  try {
    // The command, in parentheses, may contain spaces.
    const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

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
