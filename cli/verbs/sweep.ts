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
  const unread: string[] = [];
  const undestroyed: string[] = [];
  const warn = (error: unknown): void => {
    context.console.warn(error instanceof Error ? error.message : String(error));
  };
  const quiet: Context = {
    ...context,
    yes: true,
    console: { ...context.console, out: context.console.info, json: false },
  };
  for (const name of listStacks(context.paths)) {
    let expiresAt: number | undefined;
    try {
      expiresAt = await expiryOf(context, name);
    } catch (error) {
      unread.push(name);
      warn(error);
      continue;
    }
    if (expiresAt === undefined || expiresAt > now) continue;
    context.console.info(`stack ${name} expired at ${new Date(expiresAt).toISOString()}`);
    swept.push(name);
    if (options.dryRun === true) continue;
    try {
      await destroy(quiet, await resolveStack(context.paths, undefined, name), options);
    } catch (error) {
      undestroyed.push(name);
      warn(error);
    }
  }
  const failed = [...unread, ...undestroyed];
  if (context.console.json) context.console.out(JSON.stringify({ expired: swept, failed }));
  else if (swept.length + failed.length === 0) context.console.out("no stack has expired");
  if (failed.length === 0) return;
  const problems = [
    ...(unread.length === 0 ? [] : [`could not tell whether these have expired: ${unread.join(", ")}`]),
    ...(undestroyed.length === 0 ? [] : [`could not destroy: ${undestroyed.join(", ")}`]),
  ];
  throw new Failure(problems.join("\n"));
}

/**
 * When the stack's time is over: its output, else its config's time to live from when it was last configured.
 *
 * @throws Failure when what says so cannot be read.
 */
async function expiryOf(context: Context, stack: string): Promise<number | undefined> {
  const expiresAt = await readExpiry(context, stack).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(`stack ${stack} cannot be read: ${reason}`);
  });
  if (expiresAt === undefined || !Number.isNaN(expiresAt)) return expiresAt;
  throw new Failure(`stack ${stack} cannot be read: its output \`expiresAt\` is no time`);
}

async function readExpiry(context: Context, stack: string): Promise<number | undefined> {
  const outputs = await readOutputs(context.paths, stack);
  if (typeof outputs["expiresAt"] === "string") return Date.parse(outputs["expiresAt"]);
  if ("clusterName" in outputs) return undefined;
  const file = configFile(context.paths, stack);
  const lifetime = settingOf(parseStackFile(await readFile(file, "utf8"), file), "timeToLive");
  const seconds = typeof lifetime === "string" ? durationSeconds(lifetime) : undefined;
  return seconds === undefined ? undefined : (await stat(file)).mtimeMs + seconds * 1000;
}
