import { rm } from "node:fs/promises";
import type { Group, Prepared } from "../toolchain/types.ts";
import type { Console } from "./console.ts";
import { terminalConsole } from "./console.ts";
import type { Facts } from "./doctor/probes.ts";
import type { Paths } from "./paths.ts";
import { resolvePaths } from "./paths.ts";
import type { RunningProcess } from "./process.ts";
import { listProcesses } from "./process.ts";

/** What every verb gets. */
export interface Context {
  readonly paths: Paths;
  readonly console: Console;
  /** Of the caller. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** True: never ask. */
  readonly yes: boolean;
  readonly machine: Machine;
}

/** What is slow or needs a particular machine: loaded when it is called, and given by tests. */
export interface Machine {
  /** Facts about this machine; see doctor. */
  readonly probe: (context: Context, ports: readonly number[]) => Promise<Facts>;
  /** Makes or finds the tools and images of the groups. */
  readonly prepare: (context: Context, groups: readonly Group[]) => Promise<Prepared>;
  /** All processes with the words of their command lines. */
  readonly processes: () => readonly RunningProcess[];
  readonly endProcess: (pid: number) => void;
  readonly removeFolder: (path: string) => Promise<void>;
}

/** The options every verb shares. */
export interface CommonOptions {
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

export function makeContext(options: CommonOptions): Context {
  return {
    paths: resolvePaths(process.env),
    console: terminalConsole({ json: options.json ?? false, verbose: options.verbose ?? false }),
    environment: process.env,
    yes: options.yes ?? process.env["CI"] === "true",
    machine: thisMachine,
  };
}

const thisMachine: Machine = {
  probe: async (context, ports) => (await import("./doctor/probes.ts")).probe(context, ports),
  prepare: async (context, groups) => (await import("./tools.ts")).prepareTools(context, groups),
  processes: listProcesses,
  endProcess: (pid) => {
    process.kill(pid, "SIGTERM");
  },
  removeFolder: (path) => rm(path, { recursive: true, force: true }),
};
