/** Runs the pulumi CLI. */
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { Context } from "./context.ts";
import { childEnvironment } from "./environment.ts";
import { Failure, Interrupted } from "./errors.ts";
import type { EngineEvent } from "./events.ts";
import { logLine, parseEvent } from "./events.ts";
import { withPulumiEnvironment } from "./pulumi-environment.ts";
import { stoppedWithUs } from "./signals.ts";

/**
 * Runs a short command of pulumi and returns its standard output.
 *
 * @throws Failure with pulumi's own message when it fails.
 */
export async function pulumi(
  context: Context,
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly input?: string;
    /** Of {@link withPulumiEnvironment}, for commands that start plugins. */
    readonly environment?: Readonly<Record<string, string>>;
  },
): Promise<string> {
  const result = await stoppedWithUs(
    execa("pulumi", [...args, "--non-interactive", "--color=never"], {
      cwd: options.cwd,
      env: options.environment ?? childEnvironment(context.paths, context.environment),
      extendEnv: false,
      reject: false,
      ...(options.input === undefined ? {} : { input: options.input }),
    }),
  );
  if (result.failed) {
    throw new Failure(
      `pulumi ${args.join(" ")} failed: ${(result.stderr || result.stdout || (result.shortMessage ?? "")).trim()}`,
    );
  }
  return result.stdout;
}

/** How an operation that changes things ended. */
export interface OperationResult {
  readonly succeeded: boolean;
  readonly timedOut: boolean;
  readonly milliseconds: number;
  /** What pulumi wrote to standard error, and what of its standard output is no event. */
  readonly remarks: readonly string[];
  readonly logFile: string;
}

export interface OperationOptions {
  readonly timeoutMs: number;
  readonly onEvent: (event: EngineEvent) => void;
}

/**
 * Runs `pulumi up` or `destroy` and hands over its events as they come.
 *
 * After `timeoutMs` pulumi is asked to stop (SIGINT), after 30 s more told to (a second one), and killed after 45 s.
 */
export function runOperation(
  context: Context,
  stack: string,
  args: readonly string[],
  options: OperationOptions,
): Promise<OperationResult> {
  return withPulumiEnvironment(context, (environment) => runIn(environment, context, stack, args, options));
}

async function runIn(
  environment: Readonly<Record<string, string>>,
  context: Context,
  stack: string,
  args: readonly string[],
  options: OperationOptions,
): Promise<OperationResult> {
  const started = Date.now();
  const logFile = await newLog(context, stack, args[0] ?? "pulumi");
  const log = createWriteStream(logFile, { mode: 0o600 });
  const child = execa("pulumi", [...args, "--json", "--non-interactive", "--color=never"], {
    cwd: context.paths.checkout,
    env: environment,
    extendEnv: false,
    reject: false,
    buffer: false,
    stdin: "ignore",
    cleanup: false,
  });
  const stopping = new Stopping((signal) => child.kill(signal), options.timeoutMs);
  const remarks: string[] = [];
  const read = async (lines: AsyncIterable<string>): Promise<void> => {
    for await (const line of lines) {
      const event = parseEvent(line);
      const kept = event === undefined ? line : logLine(event);
      if (kept !== undefined) log.write(`${kept}\n`);
      if (event !== undefined) options.onEvent(event);
      else if (line.trim() !== "") remarks.push(line);
    }
  };
  await Promise.all([read(child.iterable({ from: "stdout" })), read(child.iterable({ from: "stderr" }))]);
  const result = await child;
  stopping.end();
  await new Promise((resolve) => log.end(resolve));
  if (stopping.signal !== undefined) throw new Interrupted(stopping.signal);
  if (result.code === "ENOENT") {
    throw new Failure("pulumi is not on PATH; run: ./homespan toolchain --prepare");
  }
  return {
    succeeded: result.exitCode === 0,
    timedOut: stopping.timedOut,
    milliseconds: Date.now() - started,
    remarks,
    logFile,
  };
}

/** Passes the caller's signals on, and sends its own when the time is over. */
class Stopping {
  timedOut = false;
  signal: "SIGINT" | "SIGTERM" | undefined;
  readonly #kill: (signal: NodeJS.Signals) => void;
  readonly #timers: NodeJS.Timeout[] = [];
  // From a terminal Ctrl-C reaches pulumi as well, being in the same process group; only a SIGTERM has to be passed on.
  readonly #onInterrupt = (): void => {
    this.signal = "SIGINT";
  };
  readonly #onTerminate = (): void => {
    this.signal = "SIGTERM";
    this.#stop();
  };

  constructor(kill: (signal: NodeJS.Signals) => void, timeoutMs: number) {
    this.#kill = kill;
    process.on("SIGINT", this.#onInterrupt);
    process.on("SIGTERM", this.#onTerminate);
    this.#after(timeoutMs, () => {
      this.timedOut = true;
      this.#stop();
    });
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    process.off("SIGINT", this.#onInterrupt);
    process.off("SIGTERM", this.#onTerminate);
  }

  #stop(): void {
    this.#kill("SIGINT");
    this.#after(30_000, () => {
      this.#kill("SIGINT");
    });
    this.#after(45_000, () => {
      this.#kill("SIGKILL");
    });
  }

  #after(milliseconds: number, action: () => void): void {
    this.#timers.push(setTimeout(action, milliseconds));
  }
}

/** A log of its own for each run; the newest ten are kept. */
async function newLog(context: Context, stack: string, verb: string): Promise<string> {
  const folder = join(context.paths.logs, stack);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const old = (await readdir(folder)).sort().slice(0, -9);
  for (const name of old) await rm(join(folder, name), { force: true });
  const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
  return join(folder, `${time}-${verb}.jsonl`);
}
