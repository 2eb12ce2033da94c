/** Ctrl-C and SIGTERM while there is something to clean up: this process stays until its children have ended. */
import { constants } from "node:os";
import { execa } from "execa";
import { Failure, Interrupted } from "./errors.ts";

interface Child {
  readonly kill: (signal: NodeJS.Signals) => unknown;
}

const children = new Set<Child>();
/** How many children own the terminal: what a signal means is then theirs to say. */
let inForeground = 0;

/**
 * Runs `work` to its end whatever signal comes, so that what it cleans up is cleaned up.
 * From a terminal Ctrl-C reaches the children as well; a SIGTERM is passed on to those of {@link stoppedWithUs}.
 *
 * @throws Interrupted afterwards, when a signal came.
 */
export async function untilDone<T>(work: () => Promise<T>): Promise<T> {
  const stopped: { by?: "SIGINT" | "SIGTERM" } = {};
  const onInterrupt = (): void => {
    if (inForeground === 0) stopped.by ??= "SIGINT";
  };
  const onTerminate = (): void => {
    if (inForeground === 0) stopped.by ??= "SIGTERM";
    for (const child of children) child.kill("SIGTERM");
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  try {
    const result = await work();
    if (stopped.by !== undefined) throw new Interrupted(stopped.by);
    return result;
  } catch (error) {
    // A child that was stopped fails: that is no news.
    throw stopped.by === undefined ? error : new Interrupted(stopped.by);
  } finally {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onTerminate);
  }
}

/** Waits for a child that gets the SIGTERM this process gets. */
export async function stoppedWithUs<T>(child: Child & PromiseLike<T>): Promise<T> {
  children.add(child);
  try {
    return await child;
  } finally {
    children.delete(child);
  }
}

/**
 * Gives the terminal to a program and returns its exit code: 130 or 143 when a signal stopped it.
 *
 * @throws Failure when there is no such program.
 */
export async function runInForeground(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const stdio = "inherit";
  const child = execa(command, [...args], { env, extendEnv: false, stdio, reject: false, cleanup: false });
  let signal: "SIGINT" | "SIGTERM" | undefined;
  const onInterrupt = (): void => {
    signal = "SIGINT";
  };
  const onTerminate = (): void => {
    signal = "SIGTERM";
    child.kill("SIGTERM");
  };
  inForeground += 1;
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  try {
    const result = await child;
    if (result.code === "ENOENT") {
      throw new Failure(`${command} is not installed yet; run: ./homespan toolchain --prepare`);
    }
    const code = result.exitCode ?? (result.signal === undefined ? 1 : codeOf(result.signal));
    // An editor or a port-forward may take the signal for itself and end well.
    return code === 0 || signal === undefined ? code : codeOf(signal);
  } finally {
    inForeground -= 1;
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onTerminate);
  }
}

function codeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
