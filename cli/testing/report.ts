/** Why tests failed, one line per part, which tests failed and why in a line each, and at the very end `N passed, N failed`, with `N skipped` where some were: the end of a long log is enough. */
import { duration } from "../console.ts";
import type { Context } from "../context.ts";
import { REASON } from "../vitest-report.ts";
import type { LeftOut } from "./long-suites.ts";
import type { Counts, Result } from "./outcome.ts";

/** Characters of a reason in the list at the end. */
const reasonLength = 240;

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
  for (const failure of failures) {
    const [which = "", ...excerpt] = failure.split("\n");
    console.out(`failed  ${which}`);
    if (excerpt.length > 0) console.out(`        ${inOneLine(excerpt)}`);
  }
  const skipped = totals.skipped > 0 ? `, ${String(totals.skipped)} skipped` : "";
  console.out(`${String(totals.passed)} passed, ${String(totals.failed)} failed${skipped}`);
}

/** From the wrapper's own reason on, if there is one. */
function inOneLine(excerpt: readonly string[]): string {
  const reason = Math.max(
    excerpt.findIndex((line) => REASON.test(line.trim())),
    0,
  );
  const words = excerpt.slice(reason).join(" ").trim().split(/\s+/).join(" ");
  return words.length > reasonLength ? `${words.slice(0, reasonLength)}...` : words;
}
