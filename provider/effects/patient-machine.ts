/** A machine that is asked again and again while it comes up, within the time there is for one operation. */
import { NotReady } from "./boot-files.ts";
import { CommandError } from "./process.ts";
import { SshFailure } from "./ssh-failure.ts";
import { type Clock, waitFor } from "./wait.ts";

/** The machine's exit code while its data directory is not there, as its disk may still be missing. */
const TRY_AGAIN = 75;

/** True for what ends by itself with a machine that is coming up; another machine in its place does not. */
export function comesYet(error: unknown): error is Error {
  if (error instanceof SshFailure) return error.reason !== "other-machine";
  return error instanceof NotReady || (error instanceof CommandError && error.finished.code === TRY_AGAIN);
}

/** Time for one operation on one machine: each wait of it gets what the former ones left. */
export class Patience {
  readonly signal: AbortSignal;
  readonly #nodeName: string;
  readonly #seconds: number;
  readonly #clock: Clock;
  readonly #end: number;

  constructor(nodeName: string, seconds: number, clock: Clock, signal: AbortSignal) {
    this.#nodeName = nodeName;
    this.#seconds = seconds;
    this.#clock = clock;
    this.signal = signal;
    this.#end = clock.now() + seconds * 1000;
  }

  /**
   * Repeats what fails as long as the machine is still coming up.
   *
   * @param explain - what it says of itself, for the message
   * @throws at once what does not end by itself; once the time is over, an error with the last reason
   */
  async keepTrying<T>(
    attempt: () => Promise<T>,
    explain: () => Promise<string> = () => Promise.resolve(""),
  ): Promise<T> {
    let last = "";
    const done = await waitFor(
      async () => {
        try {
          return { result: await attempt() };
        } catch (error) {
          if (!comesYet(error)) throw error;
          last = error.message;
          return undefined;
        }
      },
      {
        seconds: Math.max(0, (this.#end - this.#clock.now()) / 1000),
        signal: this.signal,
        clock: this.#clock,
        // Sooner than an idle connection is ended: on a slow machine a login costs seconds.
        firstMilliseconds: 1000,
        maximumMilliseconds: 2000,
      },
    );
    if (done !== undefined) return done.result;
    throw new Error(
      `${this.#nodeName} was not ready by SSH within ${String(this.#seconds)} s: ${last}${await explain()}`,
    );
  }
}
