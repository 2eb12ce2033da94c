/** The parts of the tests: the machine and its tools, linters, projects of vitest. */
import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { Context } from "../context.ts";
import { examineMachine, requireHealthy } from "../doctor/machine.ts";
import { childEnvironment } from "../environment.ts";
import { composeConfig } from "../state.ts";
import { readReport } from "../vitest-report.ts";
import { type Outcome, type Part, type QuietPart, nothing } from "./outcome.ts";

/** Doctor's blocking checks and the toolchain: what the tests of real nodes need. */
export function machine(context: Context): Part {
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

export function command(context: Context, name: string, [file = "", ...args]: readonly string[]): QuietPart {
  return { name, run: () => runCommand(context, file, args) };
}

/** Every POSIX sh file of the project: those with its first line, wherever they are. */
export function shellcheck(context: Context): QuietPart {
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

export async function runVitest(
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
