/** Durations of the steps: on stdout as they happen, and added to the JSON in the file that HOMESPAN_E2E_REPORT names. */
import { readFileSync, writeFileSync } from "node:fs";

export interface Measured {
  /** When the step ended, ISO 8601. */
  readonly at: string;
  readonly step: string;
  readonly seconds: number;
}

function former(path: string): Measured[] {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Measured[];
  } catch {
    return []; // the first step of a run
  }
}

export function note(step: string, seconds: number): void {
  const rounded = Math.round(seconds * 10) / 10;
  process.stdout.write(`    ${rounded.toFixed(1).padStart(6)} s  ${step}\n`);
  const path = process.env["HOMESPAN_E2E_REPORT"];
  if (path === undefined || path === "") return;
  writeFileSync(
    path,
    `${JSON.stringify([...former(path), { at: new Date().toISOString(), step, seconds: rounded }], null, 2)}\n`,
  );
}

/** Runs one step and notes how long it took, also when it fails. */
export async function timed<T>(step: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  let outcome = "";
  try {
    return await work();
  } catch (error) {
    outcome = " (failed)";
    throw error;
  } finally {
    note(`${step}${outcome}`, (performance.now() - started) / 1000);
  }
}
