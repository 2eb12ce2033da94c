/** Why tests failed, one line per part, which tests failed, and at the very end `N passed, N failed`: the end of a long log is enough. */
import { duration } from "../console.ts";
import type { Context } from "../context.ts";
import type { LeftOut } from "./long-suites.ts";
import type { Counts, Result } from "./outcome.ts";

export function report(
  { console }: Context,
  results: readonly Result[],
  leftOut: readonly LeftOut[],
  milliseconds: number,
): void {
  const sum = (key: keyof Counts): number => results.reduce((total, { counts }) => total + counts[key], 0);
  // A part that failed without a single failed test (lint, a file that does not load) still counts as a failure.
  const broken = results.filter(({ ok, counts }) => !ok && counts.failed === 0).length;
  const totals = { passed: sum("passed"), failed: sum("failed") + broken, skipped: sum("skipped") };
  if (console.json) {
    const seconds = milliseconds / 1000;
    const suites = results.map(({ name, ok, milliseconds, counts, failures }) => ({
      ...{ name, succeeded: ok, ...counts, failures },
      seconds: milliseconds / 1000,
    }));
    const succeeded = results.every(({ ok }) => ok);
    console.out(JSON.stringify({ command: "test", succeeded, ...totals, seconds, suites, leftOut }));
    return;
  }
  const failures = results.flatMap((result) => result.failures);
  console.out("");
  for (const failure of failures) console.out(`failed  ${failure}\n`);
  for (const { name, ok, milliseconds } of results) {
    console.out(`${ok ? "ok    " : "FAILED"}  ${name.padEnd(12)} ${duration(milliseconds)}`);
  }
  for (const { suite, reason } of leftOut) {
    console.out(`left out ${suite.padEnd(12)} ${reason}: ./homespan test --long ${suite}`);
  }
  console.out(`${"".padEnd(6)}  ${"in all".padEnd(12)} ${duration(milliseconds)}`);
  for (const [which = ""] of failures.map((failure) => failure.split("\n"))) console.out(`failed  ${which}`);
  console.out(`${String(totals.passed)} passed, ${String(totals.failed)} failed`);
}
