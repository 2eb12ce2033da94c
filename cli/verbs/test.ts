import { existsSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { duration } from "../console.ts";
import type { Context } from "../context.ts";
import { examineMachine, requireHealthy } from "../doctor/machine.ts";
import { childEnvironment } from "../environment.ts";
import { Failure, InputError, didYouMean } from "../errors.ts";
import { composeConfig } from "../state.ts";
import { readReport } from "../vitest-report.ts";

export interface TestOptions {
  /** Only linters and the tests that need neither cluster nor other programs. */
  readonly quick?: boolean;
  /** A named long suite instead: `test/long/<name>`. */
  readonly long?: string;
  /** Arguments for vitest. */
  readonly vitest: readonly string[];
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Outcome extends Counts {
  readonly ok: boolean;
  /** Which tests failed and why, for the end of the run, where they are looked for. */
  readonly failures?: readonly string[];
}

interface Part {
  readonly name: string;
  /** Says what it has to say as it comes. */
  readonly run: () => Promise<Outcome>;
}

/** A part whose words are kept until they are asked for, so that it can run beside another. */
interface QuietPart {
  readonly name: string;
  readonly run: () => Promise<Outcome & { readonly words: string }>;
}

/** Parts that run at the same time: those that use one core, one after the other, beside one that uses all there are. */
interface Step {
  readonly beside: readonly QuietPart[];
  readonly part: Part;
}

interface Result {
  readonly name: string;
  readonly ok: boolean;
  readonly milliseconds: number;
  readonly counts: Counts;
  readonly failures: readonly string[];
}

const nothing: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs the project's tests and prints one line per part, and at the very end `N passed, N failed`. */
export async function test(context: Context, options: TestOptions): Promise<void> {
  const reports = await mkdtemp(join(tmpdir(), "homespan-test-"));
  const results: Result[] = [];
  const started = Date.now();
  try {
    for (const { beside, part } of await steps(context, options, reports)) {
      const quiet = runQuietly(beside);
      context.console.info(`\n== ${part.name}`);
      const own = await timed(part.name, part.run);
      for (const { words, ...result } of await quiet) {
        context.console.info(`\n== ${result.name}`);
        if (words.trim() !== "") context.console.info(words.trimEnd());
        results.push(result);
      }
      results.push(own);
      // Without the machine or the tools the rest can only fail for that reason.
      if (!own.ok && part.name === "machine") break;
    }
  } finally {
    await rm(reports, { recursive: true, force: true });
  }
  const milliseconds = Date.now() - started;
  const sum = (key: keyof Counts): number => results.reduce((total, { counts }) => total + counts[key], 0);
  const failed = results.filter(({ ok }) => !ok).map(({ name }) => name);
  // A part that failed without a single failed test (lint, a file that does not load) still counts as a failure.
  const broken = results.filter(({ ok, counts }) => !ok && counts.failed === 0).length;
  const totals = { passed: sum("passed"), failed: sum("failed") + broken, skipped: sum("skipped") };
  report(context, results, totals, milliseconds);
  if (failed.length > 0) throw new Failure(`failed: ${failed.join(", ")}`);
}

async function timed(name: string, work: () => Promise<Outcome>): Promise<Result> {
  const started = Date.now();
  const { ok, failures = [], ...counts } = await work();
  return { name, ok, milliseconds: Date.now() - started, counts, failures };
}

async function runQuietly(
  parts: readonly QuietPart[],
): Promise<readonly (Result & { readonly words: string })[]> {
  const results: (Result & { readonly words: string })[] = [];
  for (const { name, run } of parts) {
    let words = "";
    const result = await timed(name, async () => {
      const outcome = await run();
      words = outcome.words;
      return { ...nothing, ok: outcome.ok };
    });
    results.push({ ...result, words });
  }
  return results;
}

function report(
  { console }: Context,
  results: readonly Result[],
  totals: Counts,
  milliseconds: number,
): void {
  if (console.json) {
    const seconds = milliseconds / 1000;
    const suites = results.map(({ name, ok, milliseconds, counts, failures }) => ({
      ...{ name, succeeded: ok, ...counts, failures },
      seconds: milliseconds / 1000,
    }));
    const succeeded = results.every(({ ok }) => ok);
    console.out(JSON.stringify({ command: "test", succeeded, ...totals, seconds, suites }));
    return;
  }
  console.out("");
  for (const failure of results.flatMap(({ failures }) => failures)) console.out(`failed  ${failure}\n`);
  for (const { name, ok, milliseconds } of results) {
    console.out(`${ok ? "ok    " : "FAILED"}  ${name.padEnd(12)} ${duration(milliseconds)}`);
  }
  console.out(`${"".padEnd(6)}  ${"in all".padEnd(12)} ${duration(milliseconds)}`);
  console.out(`${String(totals.passed)} passed, ${String(totals.failed)} failed`);
}

async function steps(context: Context, options: TestOptions, reports: string): Promise<Step[]> {
  const { checkout } = context.paths;
  const bin = (name: string): string => join(checkout, "node_modules", ".bin", name);
  const vitest = (project: string, filters: readonly string[] = []): Part => ({
    name: project,
    run: () => runVitest(context, project, [...filters, ...options.vitest], join(reports, `${project}.json`)),
  });
  if (options.long !== undefined) {
    await requireLongSuite(checkout, options.long);
    return [alone(machine(context)), alone(vitest("long", [`test/long/${options.long}.test.ts`]))];
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

function alone(part: Part): Step {
  return { beside: [], part };
}

/** Doctor's blocking checks and the toolchain: what the tests of real nodes need. */
function machine(context: Context): Part {
  return {
    name: "machine",
    run: async () => {
      const stack = { name: "ci", topology: "ci" };
      const config = await composeConfig(context.paths, stack, []);
      try {
        requireHealthy(context, await examineMachine(context, stack.name, config));
        await context.machine.prepare(context, ["core", "test", "rehearsal"]);
      } catch (error) {
        context.console.warn(error instanceof Error ? error.message : String(error));
        return { ...nothing, ok: false };
      }
      return { ...nothing, ok: true };
    },
  };
}

function command(context: Context, name: string, [file = "", ...args]: readonly string[]): QuietPart {
  return { name, run: () => runCommand(context, file, args) };
}

/** Every POSIX sh file of the project: those with its first line, wherever they are. */
function shellcheck(context: Context): QuietPart {
  return {
    name: "shellcheck",
    run: async () => {
      const files = await shellFiles(context.paths.checkout);
      return runCommand(context, "shellcheck", ["-s", "sh", "-x", ...files]);
    },
  };
}

async function runCommand(
  context: Context,
  file: string,
  args: readonly string[],
): Promise<Outcome & { readonly words: string }> {
  const result = await execa(file, [...args], { ...commonSettings(context), stdin: "ignore", all: true });
  const words = result.code === "ENOENT" ? `${file} is not installed` : result.all;
  return { ...nothing, ok: !result.failed, words };
}

async function succeeds(context: Context, file: string, args: readonly string[]): Promise<boolean> {
  const result = await execa(file, [...args], {
    ...commonSettings(context),
    // Under --json standard output is for the one object.
    stdio: ["ignore", context.console.json ? 2 : "inherit", "inherit"],
  });
  if (result.code === "ENOENT") context.console.warn(`${file} is not installed`);
  return !result.failed;
}

function commonSettings(context: Context): {
  readonly cwd: string;
  readonly env: Record<string, string>;
  readonly extendEnv: false;
  readonly reject: false;
} {
  return {
    cwd: context.paths.checkout,
    env: childEnvironment(context.paths, context.environment),
    extendEnv: false,
    reject: false,
  };
}

const skippedFolders = new Set(["node_modules", ".git", "sdks", "golden"]);

async function shellFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !skippedFolders.has(entry.name)) found.push(...(await shellFiles(path)));
    else if (entry.isFile() && (entry.name.endsWith(".sh") || !entry.name.includes(".", 1))) {
      const [first = ""] = (await readFile(path, "utf8")).split("\n", 1);
      if (entry.name.endsWith(".sh") || /^#!\/bin\/sh/.test(first)) found.push(path);
    }
  }
  return found.sort();
}

async function runVitest(
  context: Context,
  project: string,
  args: readonly string[],
  report: string,
): Promise<Outcome> {
  const { checkout } = context.paths;
  const vitest = join(checkout, "node_modules", ".bin", "vitest");
  const ok = await succeeds(context, vitest, [
    "run",
    "--project",
    project,
    // A filter given by hand may match tests of one project alone.
    ...(args.length > 0 ? ["--passWithNoTests"] : []),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...args,
  ]);
  if (!existsSync(report)) return { ...nothing, ok };
  return { ...(await readReport(report, checkout)), ok };
}

async function requireLongSuite(checkout: string, name: string): Promise<void> {
  const entries = await readdir(join(checkout, "test", "long")).catch(() => []);
  const names = [...new Set(entries.map((entry) => entry.replace(/(\.test)?\.ts$/, "")))];
  if (names.includes(name)) return;
  const known = names.length === 0 ? "a suite below test/long, which is empty" : `one of ${names.join(", ")}`;
  throw new InputError(`\`--long\` must be ${known}, got "${name}"${didYouMean(name, names)}`);
}
