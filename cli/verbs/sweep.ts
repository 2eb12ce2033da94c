import { readFile, stat } from "node:fs/promises";
import { durationSeconds } from "../../stacks/duration.ts";
import type { Context } from "../context.ts";
import { readOutputs } from "../deployment.ts";
import { Failure } from "../errors.ts";
import { parseStackFile, settingOf } from "../settings.ts";
import { listStacks, resolveStack } from "../stack.ts";
import { configFile } from "../state.ts";
import { destroy } from "./destroy.ts";

export interface SweepOptions {
  readonly timeoutMinutes: number;
  readonly dryRun?: boolean;
}

/** Destroys every stack whose time to live is over, also those whose `up` was killed before it had outputs. */
export async function sweep(context: Context, options: SweepOptions): Promise<void> {
  const now = Date.now();
  const swept: string[] = [];
  const failed: string[] = [];
  const quiet: Context = {
    ...context,
    yes: true,
    console: { ...context.console, out: context.console.info, json: false },
  };
  for (const name of listStacks(context.paths)) {
    const expiresAt = await expiryOf(context, name);
    if (expiresAt === undefined || expiresAt > now) continue;
    context.console.info(`stack ${name} expired at ${new Date(expiresAt).toISOString()}`);
    swept.push(name);
    if (options.dryRun === true) continue;
    try {
      await destroy(quiet, await resolveStack(context.paths, undefined, name), options);
    } catch (error) {
      failed.push(name);
      context.console.warn(error instanceof Error ? error.message : String(error));
    }
  }
  if (context.console.json) context.console.out(JSON.stringify({ expired: swept, failed }));
  else if (swept.length === 0) context.console.out("no stack has expired");
  if (failed.length > 0) throw new Failure(`could not destroy: ${failed.join(", ")}`);
}

/** When the stack's time is over: its output, else its config's time to live from when it was last configured. */
async function expiryOf(context: Context, stack: string): Promise<number | undefined> {
  const outputs = await readOutputs(context.paths, stack);
  if (typeof outputs["expiresAt"] === "string") return Date.parse(outputs["expiresAt"]);
  if ("clusterName" in outputs) return undefined;
  const file = configFile(context.paths, stack);
  const lifetime = settingOf(parseStackFile(await readFile(file, "utf8"), file), "timeToLive");
  const seconds = typeof lifetime === "string" ? durationSeconds(lifetime) : undefined;
  return seconds === undefined ? undefined : (await stat(file)).mtimeMs + seconds * 1000;
}
