/** Runs a command and says how long it took. */
import { execa } from "execa";

export const repository = new URL("../../", import.meta.url).pathname;

export interface Finished {
  readonly stdout: string;
  readonly seconds: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  /** @default 300 */
  readonly timeoutSeconds?: number;
  /** @default false */
  readonly mayFail?: boolean;
}

/** Throws unless the command ends with 0 or `mayFail` is set. */
export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const started = performance.now();
  const result = await execa(file, args, {
    cwd: options.cwd ?? repository,
    env: { ...options.env },
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    timeout: (options.timeoutSeconds ?? 300) * 1000,
    killSignal: "SIGKILL",
    reject: false,
    all: true,
  });
  const seconds = (performance.now() - started) / 1000;
  if (result.failed && options.mayFail !== true) {
    const said = result.all.split("\n").slice(-40).join("\n");
    throw new Error(`${file} ${args.join(" ")} failed: ${result.shortMessage ?? ""}\n${said}`);
  }
  return { stdout: result.stdout, seconds };
}

/** Seconds that some work takes. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
