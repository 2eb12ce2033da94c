/** Bounded waiting. */

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Tries every `pauseSeconds` until `attempt` stops throwing; after `seconds` its last error is thrown with what was waited for. */
export async function eventually<T>(
  what: string,
  seconds: number,
  attempt: () => Promise<T> | T,
  pauseSeconds = 1,
): Promise<T> {
  const started = performance.now();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if ((performance.now() - started) / 1000 > seconds) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`${what}: not within ${seconds.toString()} s: ${reason}`, { cause: error });
      }
    }
    await pause(pauseSeconds);
  }
}
