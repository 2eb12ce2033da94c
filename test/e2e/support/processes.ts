/** Processes of this machine, from /proc. */
import { readFileSync, readdirSync } from "node:fs";
import { pause } from "./wait.ts";

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // ended meanwhile, or a kernel thread
  }
}

export function processes(): Process[] {
  const found: Process[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = read(`/proc/${entry}/stat`);
    if (stat === "") continue;
    // pid (comm) state ppid ...: comm may hold spaces and parentheses.
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    const command = read(`/proc/${entry}/cmdline`).split("\0").join(" ").trim();
    found.push({ pid: Number(entry), parent, command });
  }
  return found;
}

/** The environment of a process as one text, "" when it may not be read. */
export function environmentOf(pid: number): string {
  return read(`/proc/${pid.toString()}/environ`).split("\0").join("\n");
}

export function cgroupOf(pid: number): string {
  return read(`/proc/${pid.toString()}/cgroup`);
}

export function kill(pid: number): void {
  if (pid <= 1) throw new Error(`refusing to kill process ${pid.toString()}`);
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Kills a process and its descendants at once, as a cancelled job does. Podman and its conmon stay, and a rehearsed host's
 * libvirtd: killing containers, the API service and a host are faults of their own.
 */
export function killTree(root: number): void {
  const all = processes();
  const doomed = new Set([root]);
  for (let grown = true; grown;) {
    grown = false;
    for (const { pid, parent, command } of all) {
      if (!doomed.has(parent) || doomed.has(pid) || /^\S*(podman|conmon|libvirtd)\b/.test(command)) continue;
      doomed.add(pid);
      grown = true;
    }
  }
  for (const pid of doomed) kill(pid);
}

/** When Pulumi is at work on the stack, not only the wrapper. Looks often: a run that changes nothing is over in a second. */
export async function pulumiRuns(stack: string): Promise<void> {
  const command = new RegExp(`\\bpulumi up .*--stack ${stack}( |$)`);
  const end = performance.now() + 60_000;
  while (!processes().some((it) => command.test(it.command))) {
    if (performance.now() > end) throw new Error(`pulumi did not begin with ${stack} within 60 s`);
    await pause(0.1);
  }
}
