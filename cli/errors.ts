import { nearest } from "../stacks/grammar.ts";

/** Exit codes of every verb; `./homespan help` prints them. */
export const exitCode = { ok: 0, failed: 1, badInput: 2 } as const;

/** Something the user gave is wrong: config, usage or a machine that cannot run this. Nothing was created. */
export class InputError extends Error {
  readonly exitCode: number = exitCode.badInput;
}

/** The work was started and did not succeed. The message is all the user sees. */
export class Failure extends Error {
  readonly exitCode: number = exitCode.failed;
  /** What `--json` prints beside the message. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.details = details;
  }
}

/** The work was stopped by a signal. */
export class Interrupted extends Failure {
  override readonly exitCode: number;

  constructor(signal: "SIGINT" | "SIGTERM") {
    super(`stopped by ${signal}; run the same command again to go on`);
    this.exitCode = signal === "SIGINT" ? 130 : 143;
  }
}

/** What a user can do about an error of the operating system, by its code. */
const systemFixes: Readonly<Record<string, string>> = {
  EACCES: "make it accessible to this user, or run as its owner",
  EPERM: "make it accessible to this user, or run as its owner",
  EROFS: "set HOMESPAN_STATE and HOMESPAN_CACHE to folders that can be written",
  ENOTDIR: "a part of this path is a file; check HOMESPAN_STATE and HOMESPAN_CACHE",
  EEXIST: "something else is at this path; check HOMESPAN_STATE and HOMESPAN_CACHE",
  EISDIR: "a folder is at this path; check HOMESPAN_STATE and HOMESPAN_CACHE",
  ELOOP: "this path leads in a circle; check HOMESPAN_STATE and HOMESPAN_CACHE",
  ENAMETOOLONG: "choose a shorter HOMESPAN_STATE or HOMESPAN_CACHE",
  ENOENT: "this path does not exist; check HOMESPAN_STATE and HOMESPAN_CACHE",
  ...Object.fromEntries(
    ["ENOSPC", "EDQUOT"].map((code) => [
      code,
      "free some space (./homespan toolchain clean), or set HOMESPAN_STATE and HOMESPAN_CACHE to folders on a larger disk",
    ]),
  ),
  EMFILE: "raise the limit of open files: ulimit -n 4096",
  ENFILE: "this machine has too many files open",
  EIO: "the disk does not answer; see dmesg",
};

/** An error of the operating system in one line with path and fix; undefined for any other error. */
export function systemProblem(error: unknown): InputError | Failure | undefined {
  // A child process that could not be run has a code too, but its own words are better.
  if (!(error instanceof Error) || "shortMessage" in error) return undefined;
  const { code = "", path, syscall = "use" } = error as NodeJS.ErrnoException;
  const fix = systemFixes[code];
  if (fix === undefined) return undefined;
  // Node says `CODE: words, call 'path'`.
  const words = /^[A-Z]+: ([^,]+)/.exec(error.message)?.[1] ?? code;
  const message = `cannot ${syscall} ${path ?? "a file"}: ${words}; fix: ${fix}`;
  return ["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EIO"].includes(code)
    ? new Failure(message)
    : new InputError(message);
}

/** The candidate nearest to `given`, as `; did you mean "x"?`, or nothing when none is near. */
export function didYouMean(given: string, candidates: readonly string[]): string {
  const best = nearest(given, candidates);
  return best === undefined ? "" : `; did you mean "${best}"?`;
}
