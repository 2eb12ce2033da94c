import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { Failure } from "../errors.ts";
import { type LeftOut, includedSuites, lacksTime, requireLongSuite } from "../testing/long-suites.ts";
import { type Part, type Result, type Step, alone, runQuietly, timed } from "../testing/outcome.ts";
import { command, machine, runVitest, shellcheck } from "../testing/parts.ts";
import { report } from "../testing/report.ts";

/** With these a run from empty caches has time for no long suite, one with its tools there for all it includes (decision 0034). */
const defaultMinutes = 85;

export interface TestOptions {
  /** Only linters and the tests that need neither cluster nor other programs. */
  readonly quick?: boolean;
  /** A named long suite instead: `test/long/<name>`. */
  readonly long?: string;
  /** Minutes that all tests may take: a long suite that might take longer does not begin. Default: 85. */
  readonly within?: number;
  /** Arguments for vitest. */
  readonly vitest: readonly string[];
}

/** Runs the project's tests and prints one line per part, and at the very end `N passed, N failed`, with `N skipped` where some were. */
export async function test(context: Context, options: TestOptions): Promise<void> {
  const reports = await mkdtemp(join(tmpdir(), "homespan-test-"));
  const results: Result[] = [];
  const leftOut: LeftOut[] = [];
  const started = Date.now();
  try {
    for (const { beside, part } of await steps(context, options, reports)) {
      const quiet = runQuietly(beside);
      const own = await announced(context, part);
      for (const { words, ...result } of await quiet) {
        context.console.info(`\n== ${result.name}`);
        if (words.trim() !== "") context.console.info(words.trimEnd());
        results.push(result);
      }
      results.push(own);
      // Without the machine or the tools the rest can only fail for that reason.
      if (!own.ok && part.name === "machine") break;
    }
    for (const suite of all(options) ? includedSuites : []) {
      const minutes = (Date.now() - started) / 60_000;
      const failed = results.some(({ ok }) => !ok);
      const reason = failed ? "failed before" : lacksTime(suite, minutes, options.within ?? defaultMinutes);
      if (reason !== undefined) leftOut.push({ suite: suite.name, reason });
      else results.push(await announced(context, longPart(context, suite.name, [], reports)));
    }
  } finally {
    await rm(reports, { recursive: true, force: true });
  }
  report(context, results, leftOut, Date.now() - started);
  const failed = results.filter(({ ok }) => !ok).map(({ name }) => name);
  if (failed.length > 0) throw new Failure(`failed: ${failed.join(", ")}`);
}

/** Whether nothing was chosen among the tests. */
function all({ quick, long, vitest }: TestOptions): boolean {
  return quick !== true && long === undefined && vitest.length === 0;
}

function announced({ console }: Context, { name, run }: Part): Promise<Result> {
  console.info(`\n== ${name}`);
  return timed(name, run);
}

function longPart(context: Context, name: string, args: readonly string[], reports: string): Part {
  const file = `test/long/${name}.test.ts`;
  return { name, run: () => runVitest(context, "long", [file, ...args], join(reports, `${name}.json`)) };
}

async function steps(context: Context, options: TestOptions, reports: string): Promise<Step[]> {
  const { checkout } = context.paths;
  const bin = (name: string): string => join(checkout, "node_modules", ".bin", name);
  const vitest = (project: string): Part => ({
    name: project,
    run: () => runVitest(context, project, options.vitest, join(reports, `${project}.json`)),
  });
  if (options.long !== undefined) {
    await requireLongSuite(checkout, options.long);
    return [alone(machine(context)), alone(longPart(context, options.long, options.vitest, reports))];
  }
  // Run all the time, `--quick` looks again only at files that changed; the whole run trusts no earlier one,
  // since a type that changes in one file can be an error of the linter in another.
  const kept = (...flags: readonly string[]): readonly string[] => (options.quick === true ? flags : []);
  // Beside the packages, of which every verdict is one as well: each checkout has its own.
  const memory = (tool: string): string => join(checkout, "node_modules", ".cache", "homespan", tool);
  const eslintMemory = kept("--cache", "--cache-strategy=content", `--cache-location=${memory("eslint")}`);
  const prettierMemory = kept("--cache", `--cache-location=${memory("prettier")}`);
  const tscMemory = kept("--incremental", "--tsBuildInfoFile", memory("tsc"));
  const quick: Step = {
    beside: [
      command(context, "eslint", [bin("eslint"), ".", ...eslintMemory]),
      command(context, "prettier", [bin("prettier"), "--check", "--log-level=warn", ".", ...prettierMemory]),
      command(context, "tsc", [bin("tsc"), "--noEmit", "-p", ".", ...tscMemory]),
      shellcheck(context),
    ],
    part: vitest("unit"),
  };
  if (options.quick === true) return [quick];
  return [alone(machine(context)), quick, ...["programs", "real", "e2e"].map((name) => alone(vitest(name)))];
}
