/** What the tests of verbs share: beds that are removed after each test, and the failure a verb ended with. */
import { afterEach } from "vitest";
import { Failure, InputError } from "../../cli/errors.ts";
import { type Bed, type BedOptions, makeBed } from "./bed.ts";

export const ci = { name: "ci", topology: "ci" };
export const once = { settings: [], timeoutMinutes: 1 };
const beds: Bed[] = [];

export function bed(options?: BedOptions): Bed {
  const made = makeBed(options);
  beds.push(made);
  return made;
}

afterEach(() => {
  for (const made of beds.splice(0)) made.remove();
});

export async function failure(work: Promise<unknown>): Promise<Failure | InputError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Failure || error instanceof InputError) return error;
  throw new Error(`expected a Failure or an InputError, got ${String(error)}`);
}
