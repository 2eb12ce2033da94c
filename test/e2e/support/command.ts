/** Runs a command, bounded in time, and keeps what it said. */
import { execa } from "execa";

export const repository = new URL("../../../", import.meta.url).pathname;

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  /** stdout and stderr as they came. */
  readonly output: string;
  readonly seconds: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** @default 60 */
  readonly timeoutSeconds?: number;
  /** Return a failure instead of throwing it. @default false */
  readonly mayFail?: boolean;
}

/** What vitest adds to the environment must not reach the programs under test. */
export function plainEnvironment(): Record<string, string | undefined> {
  const foreign = /^(VITEST|NODE_ENV$|NODE_OPTIONS$|TEST$|DEV$|PROD$|MODE$|SSR$|BASE_URL$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

function tail(text: string, lines: number): string {
  return text.split("\n").slice(-lines).join("\n");
}

/** Throws an error that carries the end of the output unless the command ends with 0 or `mayFail` is set. */
export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const limit = options.timeoutSeconds ?? 60;
  const started = performance.now();
  const result = await execa(file, args, {
    cwd: repository,
    env: { ...plainEnvironment(), ...options.env },
    extendEnv: false,
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    timeout: limit * 1000,
    killSignal: "SIGKILL",
    reject: false,
    all: true,
    stripFinalNewline: false,
  });
  const finished = {
    code: result.exitCode ?? 255,
    stdout: result.stdout,
    output: result.all,
    seconds: (performance.now() - started) / 1000,
  };
  if (options.mayFail !== true && finished.code !== 0) {
    const ending = result.timedOut
      ? `did not end within ${limit.toString()} s`
      : `ended with ${finished.code.toString()}`;
    throw new Error(`${file} ${args.join(" ")} ${ending}:\n${tail(finished.output, 80)}`);
  }
  // The engine says so of a plugin that did not answer, and ends well all the same.
  if (options.mayFail !== true && finished.output.includes("exited prematurely")) {
    throw new Error(`${file} ${args.join(" ")}: a plugin crashed:\n${tail(finished.output, 80)}`);
  }
  return finished;
}
