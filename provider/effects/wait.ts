/** Bounded waiting. Nothing in this provider waits in any other way. */

/** Time, so that tests do not have to wait. */
export interface Clock {
  now(): number;
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(new Error("cancelled"));
        return;
      }
      const cancelled = (): void => {
        clearTimeout(timer);
        reject(new Error("cancelled"));
      };
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", cancelled);
        resolve();
      }, milliseconds);
      signal.addEventListener("abort", cancelled, { once: true });
    }),
};

export interface WaitOptions {
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** First pause; it grows by half each time up to `maximumMilliseconds`. @default 100 */
  readonly firstMilliseconds?: number;
  /** @default 1000 */
  readonly maximumMilliseconds?: number;
}

/** Pauses grow no further for an attempt that takes long. */
const LONGEST_FOR_SLOW_MILLISECONDS = 5000;

/**
 * Calls `attempt` until it returns something other than `undefined`. Returns `undefined` when the time is over; an
 * error from `attempt` ends the wait. An attempt that takes long is made less often: a slow machine has better things to do than answer.
 */
export async function waitFor<T>(
  attempt: () => Promise<T | undefined>,
  options: WaitOptions,
): Promise<T | undefined> {
  const end = options.clock.now() + options.seconds * 1000;
  let pause = options.firstMilliseconds ?? 100;
  for (;;) {
    const asked = options.clock.now();
    const result = await attempt();
    if (result !== undefined) return result;
    const now = options.clock.now();
    const left = end - now;
    if (left <= 0) return undefined;
    const breath = Math.min(2 * (now - asked), LONGEST_FOR_SLOW_MILLISECONDS);
    await options.clock.sleep(Math.min(Math.max(pause, breath), left), options.signal);
    pause = Math.min(pause * 1.5, options.maximumMilliseconds ?? 1000);
  }
}
