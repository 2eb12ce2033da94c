import { existsSync } from "node:fs";
import { duration } from "../console.ts";
import type { Context } from "../context.ts";
import type { Resource } from "../deployment.ts";
import { readResources, stackExists } from "../deployment.ts";
import { Failure, InputError } from "../errors.ts";
import { findLeftovers, removeLeftovers, tracesOf } from "../leftovers.ts";
import type { Traces } from "../leftovers.ts";
import { groupsFor, nodesHere } from "../needs.ts";
import { clusterName, operate, recover, requireSuccess, withStack } from "../operation.ts";
import type { Changes } from "../progress.ts";
import type { Stack } from "../stack.ts";
import { composeConfig, configFile, forgetStack, prepareStack, removeEmptyState } from "../state.ts";

export interface DestroyOptions {
  readonly timeoutMinutes: number;
  /** Leaves the config of its last run: it will be made again with what is encrypted there. @default false */
  readonly keepConfig?: boolean;
}

/** Removes the stack, what is kept of it, and whatever bears its label. */
export async function destroy(context: Context, stack: Stack, options: DestroyOptions): Promise<void> {
  const started = Date.now();
  const { paths, console } = context;
  const known = (await stackExists(paths, stack.name)) || existsSync(configFile(paths, stack.name));
  const cluster = await clusterName(context, stack.name);
  const resources = await readResources(paths, stack.name);
  refuseProtected(stack, resources);
  const traces = tracesOf(cluster, resources);
  // Of a stack whose nodes stand elsewhere nothing is here, and nobody who runs it needs Podman or root.
  const here = nodesHere(context, stack.topology);
  if (!known && (!here || (await findLeftovers(context, traces)).length === 0)) {
    await removeEmptyState(paths);
    report(context, stack, {}, started, `stack ${stack.name} does not exist; nothing to do`);
    return;
  }
  await confirm(context, stack.name, resources.length);
  let changes: Changes = {};
  await withStack(context, stack, "destroy", async () => {
    if (resources.length > 0) changes = await destroyResources(context, stack, options);
    if (here) await clean(context, traces);
    await forgetStack(context, stack.name, options.keepConfig);
  });
  await removeEmptyState(paths);
  const what = Object.entries(changes).map(([word, count]) => `${String(count)} ${word}`);
  const summary = what.length === 0 ? "removed what was left of it" : what.join(", ");
  report(context, stack, changes, started, `destroy ${stack.name}: ${summary}`);
  console.info("");
}

async function destroyResources(context: Context, stack: Stack, options: DestroyOptions): Promise<Changes> {
  const config = await composeConfig(context.paths, stack, [], "last");
  await context.machine.prepare(context, groupsFor(context, stack.topology, config, "look"));
  if (!existsSync(configFile(context.paths, stack.name))) await prepareStack(context, stack, []);
  await recover(context, stack.name);
  // A disk that a killed run was making is among them now.
  refuseProtected(stack, await readResources(context.paths, stack.name));
  const timeoutMs = options.timeoutMinutes * 60_000;
  // What is gone already is no error to the deletes, so reading everything first is left out: it would take longer than the rest.
  const args = ["destroy", "--yes", "--skip-preview"];
  const first = await operate(context, stack.name, [...args, "--refresh=false"], timeoutMs);
  if (first.result.succeeded || first.result.timedOut) {
    return requireSuccess(context, stack.name, "destroy", first);
  }
  const { resourceErrors, programErrors } = first.progress;
  for (const text of [...resourceErrors.map((it) => `${it.resource}: ${it.message}`), ...programErrors]) {
    context.console.info(text.trim().split(/\s+/).join(" "));
  }
  context.console.info("once more, after reading what is really there");
  const second = await operate(context, stack.name, [...args, "--refresh=true"], timeoutMs);
  return requireSuccess(context, stack.name, "destroy", second);
}

/**
 * Pulumi would stop at them in the middle.
 *
 * @throws InputError that says how each loses its protection; nothing was removed
 */
function refuseProtected({ name }: Stack, resources: readonly Resource[]): void {
  const holding = resources.filter(({ protect }) => protect === true);
  if (holding.length === 0) return;
  throw new InputError(
    [
      `these hold data that destroy would delete, and are protected; where that is meant: eval "$(./homespan env ${name})", then`,
      ...holding.map(({ urn }) => `  pulumi state unprotect --yes --stack ${name} '${urn}'`),
    ].join("\n"),
  );
}

async function clean(context: Context, traces: Traces): Promise<void> {
  const leftovers = await findLeftovers(context, traces);
  if (leftovers.length === 0) return;
  const failed = await removeLeftovers(context, traces, leftovers);
  if (failed.length > 0) throw new Failure(`these could not be removed:\n${failed.join("\n")}`, { failed });
}

async function confirm(context: Context, stack: string, count: number): Promise<void> {
  if (context.yes) return;
  if (!context.console.interactive) {
    throw new InputError("destroy asks before it removes anything; without a terminal add --yes");
  }
  const question = `Destroy stack ${stack} (${String(count)} resources) with all data of its nodes?`;
  if (!(await context.console.ask(question))) throw new Failure("nothing was removed");
}

function report(context: Context, stack: Stack, changes: Changes, started: number, text: string): void {
  const seconds = (Date.now() - started) / 1000;
  if (context.console.json) {
    context.console.out(
      JSON.stringify({ command: "destroy", stack: stack.name, succeeded: true, seconds, changes }),
    );
  } else {
    context.console.out(`${text} (${duration(seconds * 1000)})`);
  }
}
