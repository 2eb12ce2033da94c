import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { recordedOutputs } from "../cluster.ts";
import { pushCommand } from "../registry.ts";
import { duration } from "../console.ts";
import type { Context } from "../context.ts";
import { readResources, stackExists } from "../deployment.ts";
import { examineExisting, requireJoinable } from "../doctor/existing.ts";
import { examineMachine, requireHealthy } from "../doctor/machine.ts";
import { Failure, InputError } from "../errors.ts";
import { awaited } from "../installed-machines.ts";
import { groupsFor } from "../needs.ts";
import type { RecordedNode } from "../nodes.ts";
import { nodeTable, recordedNodes } from "../nodes.ts";
import { operate, recover, requireSuccess, withStack } from "../operation.ts";
import { awaitUnsettledSmokeTest } from "../smoke-test.ts";
import { refuseWhileRestoring } from "../snapshots/order.ts";
import type { Stack } from "../stack.ts";
import { defaultTopology } from "../stack.ts";
import { withPulumiEnvironment } from "../pulumi-environment.ts";
import type { StackFile } from "../settings.ts";
import type { ConfigBase } from "../state.ts";
import {
  composeConfig,
  configFile,
  forgetStack,
  prepareStack,
  removeEmptyState,
  restoreConfig,
} from "../state.ts";
import { requireRemainingServer } from "../shrinking.ts";
import { showPreview } from "../trial.ts";

export interface UpOptions {
  readonly settings: readonly string[];
  /** What the settings are laid over. @default "committed" */
  readonly base?: ConfigBase;
  readonly timeoutMinutes: number;
  /** Arguments for pulumi, such as `--replace <urn>`. */
  readonly pulumiArguments?: readonly string[];
  /** What to call it in messages. */
  readonly verb?: string;
}

/** Brings the stack up, or to what its config says now. */
export async function up(context: Context, stack: Stack, options: UpOptions): Promise<void> {
  const verb = options.verb ?? "up";
  const started = Date.now();
  const base = options.base ?? "committed";
  if (verb !== "restore") await refuseWhileRestoring(context.paths, stack.name);
  await prepareMachine(context, stack, await composeConfig(context.paths, stack, options.settings, base));
  const ready = Date.now();
  const extra = options.pulumiArguments ?? [];
  const { changes, progress } = await unlessRefused(context, stack, verb, async (begin) => {
    // Again: one may have begun while this run looked at the machine.
    if (verb !== "restore") await refuseWhileRestoring(context.paths, stack.name);
    const config = await prepareStack(context, stack, options.settings, base);
    await recover(context, stack.name);
    await requireRemainingServer(context, stack.name, config);
    if (stack.name !== defaultTopology || extra.length > 0) await confirm(context, stack.name, extra);
    begin();
    const args = ["up", "--yes", "--skip-preview", ...extra];
    const outcome = await operate(context, stack.name, args, options.timeoutMinutes * 60_000);
    return {
      changes: await requireSuccess(context, stack.name, verb, outcome),
      progress: outcome.progress,
    };
  });
  const applied = Date.now();
  // After a restore there may be nodes of before, whose pods hold those of others back: it waits by itself.
  if (verb !== "restore") await awaitUnsettledSmokeTest(context, stack.name, progress);
  const outputs = await recordedOutputs(context, stack.name);
  const nodes = recordedNodes(outputs.nodes, await readResources(context.paths, stack.name));
  if (context.console.json) {
    context.console.out(
      JSON.stringify({
        command: verb,
        stack: stack.name,
        succeeded: true,
        seconds: (Date.now() - started) / 1000,
        prepareSeconds: (ready - started) / 1000,
        applySeconds: (applied - ready) / 1000,
        changes,
        clusterName: outputs.clusterName,
        apiUrl: outputs.apiUrl,
        expiresAt: outputs.expiresAt ?? null,
        registry: outputs.registry ?? null,
        nodes,
      }),
    );
    return;
  }
  const summary = Object.entries(changes).map(([what, count]) => `${String(count)} ${what}`);
  const what = summary.length === 0 ? "nothing to change" : summary.join(", ");
  context.console.info(
    `\n${verb} ${stack.name}: ${what} in ${duration(applied - ready)} (${duration(Date.now() - started)} with set-up)\n`,
  );
  showCluster(context, stack, nodes, outputs.registry ?? undefined);
}

/**
 * Runs `work` as the only run on the stack. What it set up and did not begin with, or what the program refused, is no run:
 * the config of the run before stays the last one, and a stack that did not exist does not exist.
 */
async function unlessRefused<T>(
  context: Context,
  stack: Stack,
  verb: string,
  work: (begin: () => void) => Promise<T>,
): Promise<T> {
  const { paths } = context;
  const progress = { begun: false };
  try {
    return await withStack(context, stack, verb, async () => {
      const file = configFile(paths, stack.name);
      const before = existsSync(file) ? await readFile(file, "utf8") : undefined;
      const existed = before !== undefined || (await stackExists(paths, stack.name));
      try {
        return await work(() => {
          progress.begun = true;
        });
      } catch (error) {
        if (!progress.begun || error instanceof InputError) {
          if (before !== undefined) await restoreConfig(paths, stack.name, before);
          else if (!existed) await forgetStack(context, stack.name);
        }
        throw error;
      }
    });
  } catch (error) {
    await removeEmptyState(paths).catch(() => false);
    throw error;
  }
}

function showCluster(
  context: Context,
  stack: Stack,
  nodes: readonly RecordedNode[],
  registry: string | undefined,
): void {
  context.console.out(nodeTable(nodes));
  const suffix = stack.name === defaultTopology ? "" : ` ${stack.name}`;
  const option = stack.name === defaultTopology ? "" : ` --stack ${stack.name}`;
  context.console.out(
    [
      "",
      `./homespan kubectl${option} get pods -A`,
      `./homespan kubeconfig${suffix} --write kubeconfig.yaml && export KUBECONFIG=$PWD/kubeconfig.yaml`,
      ...(registry === undefined ? [] : [pushCommand(registry)]),
    ].join("\n"),
  );
}

/** Doctor's blocking checks, then everything the stack needs on this machine. Nothing of the stack is made. */
export async function prepareMachine(context: Context, stack: Stack, config: StackFile): Promise<void> {
  requireHealthy(context, await examineMachine(context, stack.name, config));
  requireJoinable(await examineExisting(context, stack.name, config, "new"));
  const { notes } = await context.machine.prepare(
    context,
    groupsFor(context, stack.topology, config, "make"),
  );
  if (context.console.verbose) for (const note of notes) context.console.info(note);
  for (const line of awaited(config, await readResources(context.paths, stack.name), stack.name)) {
    context.console.info(line);
  }
}

/** On a terminal, shows what would happen and asks. */
async function confirm(context: Context, stack: string, extra: readonly string[]): Promise<void> {
  if (context.yes) return;
  if (!context.console.interactive) {
    throw new InputError(`up ${stack} asks before it changes anything; without a terminal add --yes`);
  }
  await withPulumiEnvironment(context, (environment) =>
    showPreview(context, { stack, configFile: configFile(context.paths, stack), environment }, "text", extra),
  );
  if (!(await context.console.ask(`Do this to stack ${stack}?`))) {
    throw new Failure("nothing was changed");
  }
}
