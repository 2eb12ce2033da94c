/** One `pulumi up` or `pulumi destroy`, from lock to report. */
import { join } from "node:path";
import { podmanNodes, podmanStages } from "./cluster.ts";
import { ownClusterName } from "./cluster-name.ts";
import { duration, indent } from "./console.ts";
import type { Context } from "./context.ts";
import { readOutputs, settlePendingOperations } from "./deployment.ts";
import { Failure, InputError } from "./errors.ts";
import { fixFor } from "./fixes.ts";
import { releaseStalePulumiLocks, withLock } from "./locks.ts";
import { machineStages } from "./machine-stages.ts";
import type { Changes, ResourceError } from "./progress.ts";
import type { PendingResource } from "./pending.ts";
import { UnansweredCreates } from "./pending.ts";
import { Progress } from "./progress.ts";
import type { OperationResult } from "./pulumi.ts";
import { runOperation } from "./pulumi.ts";
import { configProblems, isFollowUp } from "./refusal.ts";
import { parseStackFile } from "./settings.ts";
import type { Stack } from "./stack.ts";
import { projectName } from "./stack.ts";
import type { StageSummary } from "./stages.ts";
import { describeStage, summarizeStages } from "./stages.ts";
import { configFile } from "./state.ts";

/** Runs `work` as the only run on the stack. */
export function withStack<T>(
  context: Context,
  stack: Stack,
  verb: string,
  work: () => Promise<T>,
): Promise<T> {
  return withLock(join(context.paths.locks, `${stack.name}.lock`), `${verb} ${stack.name}`, 0, work);
}

/**
 * Undoes what a killed run left: Pulumi's lock, and operations nobody saw the end of.
 *
 * @param hosts `leave` for a run that changes nothing, and that needs no host of virtual machines either: what was being made
 * there stays open
 */
export async function recover(
  context: Context,
  stack: string,
  hosts: "ask" | "leave" = "ask",
): Promise<void> {
  const project = await projectName(context.paths);
  for (const holder of await releaseStalePulumiLocks(context.paths.backend, project, stack)) {
    context.console.info(`released the lock of a run that was killed (${holder})`);
  }
  const settled = await settlePendingOperations(context, stack, { hosts });
  if (settled === undefined) return;
  const count = settled.adopted.length + settled.forgotten.length;
  const operations = count === 1 ? "1 operation" : `${String(count)} operations`;
  context.console.info(`${operations} of a killed run will be looked at again`);
}

export interface OperationOutcome {
  readonly result: OperationResult;
  readonly progress: Progress;
}

/** Runs pulumi with the stack's config and shows its progress. */
export async function operate(
  context: Context,
  stack: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<OperationOutcome> {
  const progress = new Progress(context.console.info, context.console.verbose);
  const unanswered = new UnansweredCreates();
  const heartbeat = setInterval(() => {
    progress.heartbeat();
  }, 15_000);
  const firstWord = setTimeout(() => {
    progress.firstWord();
  }, 2000);
  try {
    const result = await runOperation(
      context,
      stack,
      [...args, "--stack", stack, "--config-file", configFile(context.paths, stack)],
      {
        timeoutMs,
        onEvent: (event) => {
          progress.handle(event);
          unanswered.handle(event);
        },
      },
    );
    return { result, progress };
  } finally {
    clearInterval(heartbeat);
    clearTimeout(firstWord);
    // After an interruption as well: it is what cuts off most answers.
    if (unanswered.list().length > 0) await keepUnanswered(context, stack, unanswered.list());
  }
}

/** How the run ended is told all the same. */
async function keepUnanswered(
  context: Context,
  stack: string,
  unanswered: readonly PendingResource[],
): Promise<void> {
  try {
    await settlePendingOperations(context, stack, { unanswered });
  } catch (error) {
    context.console.warn(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @throws InputError when the program refused its config before it touched anything.
 * @throws Failure with the last error of each resource and the stage of each node.
 */
export async function requireSuccess(
  context: Context,
  stack: string,
  verb: string,
  { result, progress }: OperationOutcome,
): Promise<Changes> {
  if (result.succeeded) return progress.changes;
  const refused = configProblems(progress.programErrors);
  if (refused !== undefined && progress.touchedNothing) {
    throw new InputError(`${refused}\nnothing was created or changed`);
  }
  const stages = await stagesOf(context, stack, progress.resourceErrors);
  const lines: string[] = [];
  const title = result.timedOut
    ? `${verb} ${stack} did not end within its --timeout and was stopped after ${duration(result.milliseconds)}`
    : `${verb} ${stack} failed after ${duration(result.milliseconds)}`;
  for (const { resource, message } of progress.resourceErrors) {
    const fix = fixFor(message, stack);
    lines.push(`${resource}:\n${indent(fix === undefined ? message : `${message}\nfix: ${fix}`)}`);
  }
  const own = progress.programErrors.filter((message) => !isFollowUp(message));
  // A program that was killed left no other word.
  lines.push(...(own.length + lines.length === 0 ? progress.programErrors : own));
  if (lines.length === 0) lines.push(...result.remarks.slice(-15));
  if (stages.length > 0) lines.push(`nodes:\n${indent(stages.map(describeStage).join("\n"))}`);
  lines.push(`all events: ${result.logFile}`, `run the same command again to go on where it stopped`);
  throw new Failure(`${title}\n${indent(lines.join("\n"))}`, {
    timedOut: result.timedOut,
    seconds: result.milliseconds / 1000,
    errors: progress.resourceErrors,
    programErrors: progress.programErrors,
    stages,
    logFile: result.logFile,
  });
}

/** The stack's cluster: what its outputs say, else its config. */
export async function clusterName(context: Context, stack: string): Promise<string> {
  const output = (await readOutputs(context.paths, stack))["clusterName"];
  if (typeof output === "string") return output;
  const { readFile } = await import("node:fs/promises");
  const file = configFile(context.paths, stack);
  const text = await readFile(file, "utf8").catch(() => "");
  return ownClusterName(stack, parseStackFile(text, file));
}

/**
 * How far each node of the stack got, of an `up` that did not end too.
 *
 * @param errors what the run that has just ended failed with
 */
export async function stagesOf(
  context: Context,
  stack: string,
  errors?: readonly ResourceError[],
): Promise<StageSummary[]> {
  const nodes = await podmanNodes(context, await clusterName(context, stack));
  const [found, machines] = await Promise.all([
    Promise.all(nodes.map(({ node, pod }) => podmanStages(context, node, pod))),
    machineStages(context, stack, errors),
  ]);
  return [...found.map((stages) => summarizeStages(stages, Date.now())), ...machines];
}
