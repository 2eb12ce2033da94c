/** What the tests of verbs share: beds that are removed after each test, and the failure a verb ended with. */
import { onTestFinished } from "vitest";
import { Failure, InputError } from "../../cli/errors.ts";
import { type Bed, type BedOptions, makeBed } from "./bed.ts";

export const ci = { name: "ci", topology: "ci" };
export const once = { settings: [], timeoutMinutes: 1 };

export function bed(options?: BedOptions): Bed {
  const made = makeBed(options);
  const callers = { ...process.env };
  // Asked for in each test: a worker that runs several files loads this one only once.
  onTestFinished(() => {
    made.remove();
    // A rehearsal runs Podman from its own process, in whose environment it therefore puts the tools.
    for (const name of Object.keys(process.env)) {
      if (!(name in callers)) Reflect.deleteProperty(process.env, name);
    }
    Object.assign(process.env, callers);
  });
  return made;
}

export async function failure(work: Promise<unknown>): Promise<Failure | InputError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Failure || error instanceof InputError) return error;
  throw new Error(`expected a Failure or an InputError, got ${String(error)}`);
}
