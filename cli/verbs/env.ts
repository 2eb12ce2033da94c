import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { exportLines, frontOfPath, toolEnvironment } from "../environment.ts";
import type { Stack } from "../stack.ts";
import { prepareStack } from "../state.ts";

/** Prints what makes plain `pulumi` work on the same stacks, for `eval`. */
export async function env(
  context: Context,
  stack: Stack,
  settings: readonly string[],
  /** What else plain `pulumi` needs: of a rehearsal. */
  additions: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { paths, environment, console } = context;
  const variables = { ...additions, ...toolEnvironment(paths, environment) };
  const path = frontOfPath([join(paths.checkout, "cli", "path")], variables["PATH"]);
  if ((variables["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, "pulumi")))) {
    await prepareStack({ ...context, console: { ...console, info: console.warn } }, stack, settings, "last");
  } else {
    console.warn("pulumi is not installed yet; run: ./homespan toolchain --prepare");
  }
  if (console.json) console.out(JSON.stringify({ ...variables, PATH: path }));
  else console.out(exportLines({ ...variables, PATH: path }));
}
