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

/** The candidate nearest to `given`, as `; did you mean "x"?`, or nothing when none is near. */
export function didYouMean(given: string, candidates: readonly string[]): string {
  const best = nearest(given, candidates);
  return best === undefined ? "" : `; did you mean "${best}"?`;
}
