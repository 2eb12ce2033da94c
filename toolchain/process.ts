/** Which process holds a lock or makes a folder, and whether it still runs. */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";

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

/**
 * Names this process in a file's name: its id, its start time, and where the id counts. Undefined where the system does not say,
 * as on macOS.
 */
export function processMark(): string | undefined {
  const started = startTime(process.pid);
  const space = idSpace();
  return started === undefined || space === undefined
    ? undefined
    : `${String(process.pid)}.${started}.${space}`;
}

/**
 * True when the process of a mark certainly runs no more. Not so of one on another machine or in another container, which may
 * share a folder with this one: from here nobody can tell.
 */
export function isGone(mark: string): boolean {
  const [pid = "", started, space] = mark.split(".");
  if (!/^\d+$/.test(pid) || space === undefined || space !== idSpace()) return false;
  if (!isAlive(Number(pid))) return true;
  const found = startTime(Number(pid));
  return found !== undefined && found !== started;
}

/** Differs wherever the same process id is another process: since another start of a kernel, or in another container. */
function idSpace(): string | undefined {
  try {
    const parts = [
      readFileSync("/proc/sys/kernel/random/boot_id", "utf8"),
      readlinkSync("/proc/self/ns/pid"),
    ];
    return createHash("sha256").update(parts.join("")).digest("hex").slice(0, 12);
  } catch {
    return undefined;
  }
}
