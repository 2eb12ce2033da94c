/** What this machine can do. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statfsSync,
  statSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Machine } from "./types.ts";

/** Bits in the kernel's capability masks (capabilities(7), linux/capability.h). */
const CAP_SYS_RESOURCE = 24n;
const NODE_CAPABILITIES = { CAP_NET_ADMIN: 12n, CAP_SYS_ADMIN: 21n } as const;

/** Reads one of the kernel's text files; undefined where it does not exist, as on macOS. */
type ReadFile = (path: string) => string | undefined;

/** What `detectMachine` asks the machine; tests give their own. */
export interface MachineProbes {
  readonly platform: string;
  readonly arch: string;
  readonly uid: number;
  readonly readFile: ReadFile;
  readonly exists: (path: string) => boolean;
  readonly opens: (path: string) => boolean;
}

const probes = (): MachineProbes => ({
  platform: process.platform,
  arch: process.arch,
  uid: process.getuid?.() ?? -1,
  readFile: (path) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  },
  exists: existsSync,
  opens: (path) => {
    try {
      closeSync(openSync(path, "r+"));
      return true;
    } catch {
      return false;
    }
  },
});

let detected: Machine | undefined;

/**
 * Finds out what this machine can do; the result is kept for the process.
 *
 * @throws Error on a platform that no part of the project runs on.
 */
export function detectMachine(asked?: MachineProbes): Machine {
  if (asked !== undefined) return detect(asked);
  detected ??= detect(probes());
  return detected;
}

function detect(probe: MachineProbes): Machine {
  const { platform } = probe;
  if (platform !== "linux" && platform !== "darwin") {
    throw new Error(`\`platform\` must be Linux or macOS, got ${platform}; on Windows use WSL 2`);
  }
  const arch = probe.arch === "x64" ? "amd64" : probe.arch;
  if (arch !== "amd64" && arch !== "arm64") {
    throw new Error(`\`arch\` must be amd64 (x64) or arm64, got ${probe.arch}`);
  }
  return {
    platform,
    arch,
    root: probe.uid === 0,
    // Present at the top only where cgroup v2 is the whole hierarchy. Without any cgroup mount (macOS) the
    // containers run in a virtual machine with v2.
    cgroup:
      probe.exists("/sys/fs/cgroup") && !probe.exists("/sys/fs/cgroup/cgroup.controllers") ? "v1" : "v2",
    sysResource: mayHave(CAP_SYS_RESOURCE, probe.readFile),
    tun: platform === "linux" && probe.opens("/dev/net/tun"),
  };
}

/** True where containers of this machine are a user's: in a user namespace, on networks of the user's. */
export function withoutRoot({ platform, root }: Pick<Machine, "platform" | "root">): boolean {
  return platform === "linux" && !root;
}

/** Capabilities that no process on this machine can give a node's containers, and that they cannot do without. */
export function missingCapabilities(readFile: ReadFile = probes().readFile): string[] {
  return Object.entries(NODE_CAPABILITIES).flatMap(([name, bit]) => (mayHave(bit, readFile) ? [] : [name]));
}

/** True when the bounding set has the capability, or the system does not say. */
function mayHave(bit: bigint, readFile: ReadFile): boolean {
  const bounding = /^CapBnd:\s*([0-9a-f]+)/m.exec(readFile("/proc/self/status") ?? "")?.[1];
  return bounding === undefined || ((BigInt(`0x${bounding}`) >> bit) & 1n) === 1n;
}

/**
 * The limits that a container can have without CAP_SYS_RESOURCE: this process's hard limits, and for processes at
 * most the kernel's pid_max, because Podman lowers its own hard limit to that when it starts
 * (containers/common, pkg/config: getDefaultProcessLimits).
 */
export function hardLimits(readFile: ReadFile = probes().readFile): { nofile?: number; nproc?: number } {
  const limits = readFile("/proc/self/limits") ?? "";
  const hard = (label: string): number =>
    Number(new RegExp(`^${label}\\s+\\S+\\s+(\\d+)`, "m").exec(limits)?.[1] ?? Infinity);
  const nofile = hard("Max open files");
  const nproc = hard("Max processes");
  const pidMax = Number(readFile("/proc/sys/kernel/pid_max") ?? Infinity);
  return {
    ...(Number.isFinite(nofile) ? { nofile } : {}),
    ...(Number.isFinite(nproc) ? { nproc: Math.min(nproc, pidMax) } : {}),
  };
}

/** Free bytes for this user on the disk that holds `path`, or will hold it. */
export function diskFreeBytes(path: string): number {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const disk = statfsSync(folder);
  return disk.bavail * disk.bsize;
}

/** The full path of a command on PATH, skipping the given folders; undefined when there is none. */
export function findCommand(
  name: string,
  path: string = process.env["PATH"] ?? "",
  skip: readonly string[] = [],
): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== "" && !skip.includes(folder))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

export function commandExists(name: string): boolean {
  return findCommand(name) !== undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
