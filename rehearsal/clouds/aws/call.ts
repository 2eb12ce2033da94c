/** One call of Lightsail's API by the plugin: the faults it is told to meet, and what the plugin makes of them. */
import type { Account } from "./account.ts";
import { ServiceError, sdkText } from "./errors.ts";
import { type AwsOperation, type FaultKind, faultMessages, throttling } from "./faults.ts";

/** Attempts the plugin makes by itself; `maxRetries` of the provider is 25 where nothing is said. */
const ATTEMPTS = 25;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 20_000;

export interface Call {
  /** The API's name of it, `CreateInstances`. */
  readonly operation: AwsOperation;
  /** Name of what it is about. */
  readonly subject: string;
  /** What the plugin says it was doing, `CreateInstance Lightsail Instance (server-1)`. */
  readonly doing: string;
  /** Told what the plugin says when the service took the order and never said that it was done. */
  readonly lost?: string;
  readonly signal: AbortSignal;
  /** Kinds of fault that this call knows. */
  readonly kinds?: readonly FaultKind[];
}

/**
 * Does one call.
 *
 * @throws Error with one line that says what the real plugin says
 */
export async function call<R>(
  account: Account,
  about: Call,
  work: (fault: FaultKind | undefined) => Promise<R>,
): Promise<R> {
  for (let attempt = 1; ; attempt += 1) {
    const fault = await account.faults.take(about.operation, about.subject);
    if (fault === undefined) return spoken(about, () => work(undefined));
    const kind = (about.kinds ?? []).find((known) => known === fault);
    if (kind !== undefined) return spoken(about, () => work(kind));
    if (fault === "timeout") {
      await spoken(about, () => work(undefined));
      throw new Error(`${about.doing}: ${about.lost ?? "error waiting for request operation"}`);
    }
    if (throttling.includes(fault) && attempt < ATTEMPTS) {
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
      await account.pause(pause, about.signal);
      continue;
    }
    const error = new ServiceError(fault, faultMessages[fault] ?? "this is a rehearsed fault");
    const tries = attempt > 1 ? `exceeded maximum number of attempts, ${String(attempt)}, ` : "";
    const text = sdkText(about.operation, error).replace(", https", `, ${tries}https`);
    throw new Error(`${about.doing}: ${text}`);
  }
}

async function spoken<R>(about: Call, work: () => Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw new Error(`${about.doing}: ${sdkText(about.operation, error)}`, { cause: error });
  }
}
