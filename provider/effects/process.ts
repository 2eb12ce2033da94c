/** Runs programs. Secrets go through standard input alone: an argument is visible to every user of the machine. */
import { spawn } from "node:child_process";

/** What a program left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  /** The program is killed after this long. @default 120 */
  readonly timeoutSeconds?: number;
}

/** Runs a program and waits for its end; never throws for an exit code. */
export type Run = (program: string, args: readonly string[], options?: RunOptions) => Promise<Finished>;

/** A program that ended with an error: one line that says which and why. */
export class CommandError extends Error {
  readonly finished: Finished;
  constructor(what: string, finished: Finished) {
    const lines = finished.stderr.trim().split("\n");
    super(
      `${what} failed: ${(lines.at(-1) ?? "").replace(/^Error:\s*/, "") || `exit code ${String(finished.code)}`}`,
    );
    this.finished = finished;
  }
}

/** {@link Run} with real processes. */
export const runProcess: Run = (program, args, options = {}) =>
  new Promise((resolve, reject) => {
    // What programs say is read.
    const env = { ...process.env, LC_ALL: "C" };
    const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const seconds = options.timeoutSeconds ?? 120;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, seconds * 1000);
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(
        error.code === "ENOENT" ? new Error(`${program} must be installed, found no such program`) : error,
      );
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      const stderr = Buffer.concat(err).toString();
      resolve({
        code: code ?? 1,
        stdout: Buffer.concat(out).toString(),
        stderr: late ? `${stderr}\nno answer within ${String(seconds)} s` : stderr,
      });
    });
    // A program that ends without reading its input breaks the pipe; its exit code tells the reason.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
