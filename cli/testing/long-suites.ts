/** The suites of test/long: one by its name, and those that all tests include as far as their time lasts. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError, didYouMean } from "../errors.ts";

/** A suite that all tests include. */
export interface LongSuite {
  readonly name: string;
  /** How long it takes with its tools there, on two cores without KVM, measured (docs/evidence). */
  readonly minutes: number;
}

/** A suite that did not fit. */
export interface LeftOut {
  readonly suite: string;
  readonly reason: string;
}

/**
 * Short ones first, so that a slow machine shows most of it; the others of test/long are run by name: together they take longer than
 * an hour. What was measured on a fast machine alone stands with what one half as fast would take.
 */
export const includedSuites: readonly LongSuite[] = [
  { name: "fedora-coreos", minutes: 6 },
  { name: "vm", minutes: 3 },
  { name: "rehearsal-home", minutes: 8 },
  { name: "vm-boot", minutes: 4 },
  { name: "vm-bare", minutes: 8 },
  { name: "rehearsal-vm", minutes: 25 },
  { name: "vm-node", minutes: 15 },
];

/** A machine may be busier than the one that was measured. */
const margin = 1.5;

/** Why a suite that begins now would not end in time, if so. */
export function lacksTime(
  { minutes }: LongSuite,
  passedMinutes: number,
  withinMinutes: number,
): string | undefined {
  const left = Math.max(0, Math.floor(withinMinutes - passedMinutes));
  const wanted = Math.ceil(minutes * margin);
  if (wanted <= left) return undefined;
  return `it may take ${String(wanted)} min, ${String(left)} of ${String(withinMinutes)} are left`;
}

/** @throws InputError for a name below which there is none. */
export async function requireLongSuite(checkout: string, name: string): Promise<void> {
  const entries = await readdir(join(checkout, "test", "long")).catch(() => []);
  const names = [...new Set(entries.map((entry) => entry.replace(/(\.test)?\.ts$/, "")))];
  if (names.includes(name)) return;
  const known = names.length === 0 ? "a suite below test/long, which is empty" : `one of ${names.join(", ")}`;
  throw new InputError(`\`--long\` must be ${known}, got "${name}"${didYouMean(name, names)}`);
}
