/** Runs of the wrapper that are not left alone. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { plainEnvironment, repository } from "./command.ts";
import { killTree } from "./processes.ts";

/** How such a run ended. */
export interface Disturbed {
  /** Exit code, or the signal that ended it. */
  readonly ending: number | string;
  readonly output: string;
}

export interface Disturbance {
  /** It is left alone until this is over. `said` returns all that the run said so far. */
  readonly until: (said: () => string) => Promise<unknown>;
  /** Gets the process id of the wrapper, which leads a process group of its own. */
  readonly disturb: (pid: number) => void;
  /** HOMESPAN_STATE; what the run says is kept beside it meanwhile. */
  readonly state: string;
}

/** A run that ended by itself before it could be disturbed: a test that counts on it would show nothing. */
export class EndedBefore extends Error {
  /** It ended well. */
  readonly well: boolean;

  constructor(command: string, well: boolean, output: string) {
    super(`${command} ended before it was disturbed:\n${output}`);
    this.well = well;
  }
}

/** @throws EndedBefore */
export async function disturbed(args: readonly string[], disturbance: Disturbance): Promise<Disturbed> {
  const { until, disturb, state } = disturbance;
  const log = `${state}.log`;
  const said = openSync(log, "w");
  const child = spawn(join(repository, "homespan"), args, {
    cwd: repository,
    env: { ...plainEnvironment(), HOMESPAN_STATE: state, CI: "true" },
    stdio: ["ignore", said, said],
    detached: true,
  });
  const ended = once(child, "exit");
  const runs = (): boolean => child.exitCode === null && child.signalCode === null;
  try {
    await Promise.race([ended, until(() => readFileSync(log, "utf8"))]);
    if (!runs() || child.pid === undefined) {
      throw new EndedBefore(args[0] ?? "", child.exitCode === 0, readFileSync(log, "utf8"));
    }
    disturb(child.pid);
    await ended;
    return { ending: child.exitCode ?? child.signalCode ?? "unknown", output: readFileSync(log, "utf8") };
  } finally {
    if (runs() && child.pid !== undefined) killTree(child.pid);
    closeSync(said);
    rmSync(log, { force: true });
  }
}
