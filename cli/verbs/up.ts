import { execa } from "execa";
import { recordedOutputs } from "../cluster.ts";
import { duration } from "../console.ts";
import type { Context } from "../context.ts";
import { readResources } from "../deployment.ts";
import { examineMachine, requireHealthy } from "../doctor/machine.ts";
import { childEnvironment } from "../environment.ts";
import { Failure } from "../errors.ts";
import type { RecordedNode } from "../nodes.ts";
import { nodeTable, recordedNodes } from "../nodes.ts";
import { operate, recover, requireSuccess, withStack } from "../operation.ts";
import type { Stack } from "../stack.ts";
import { defaultTopology } from "../stack.ts";
import { composeConfig, configFile, prepareStack } from "../state.ts";

export interface UpOptions {
  readonly settings: readonly string[];
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
  await prepareMachine(context, stack, options.settings);
  const ready = Date.now();
  const changes = await withStack(context, stack, verb, async () => {
    await prepareStack(context, stack, options.settings);
    await recover(context, stack.name);
    const extra = options.pulumiArguments ?? [];
    if (stack.name !== defaultTopology || extra.length > 0) await confirm(context, stack.name, extra);
    const outcome = await operate(
      context,
      stack.name,
      ["up", "--yes", "--skip-preview", ...extra],
      options.timeoutMinutes * 60_000,
    );
    return requireSuccess(context, stack.name, verb, outcome);
  });
  const applied = Date.now();
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
  showCluster(context, stack, nodes);
}

function showCluster(context: Context, stack: Stack, nodes: readonly RecordedNode[]): void {
  context.console.out(nodeTable(nodes));
  const suffix = stack.name === defaultTopology ? "" : ` ${stack.name}`;
  const option = stack.name === defaultTopology ? "" : ` --stack ${stack.name}`;
  context.console.out(
    [
      "",
      `./homespan kubectl${option} get pods -A`,
      `./homespan kubeconfig${suffix} --write kubeconfig.yaml && export KUBECONFIG=$PWD/kubeconfig.yaml`,
    ].join("\n"),
  );
}

/** Doctor's blocking checks, then everything the stack needs on this machine. Nothing of the stack is made. */
export async function prepareMachine(
  context: Context,
  stack: Stack,
  settings: readonly string[],
): Promise<void> {
  const config = await composeConfig(context.paths, stack, settings);
  requireHealthy(context, await examineMachine(context, stack.name, config));
  const { notes } = await context.machine.prepare(context, ["core"]);
  if (context.console.verbose) for (const note of notes) context.console.info(note);
}

/** On a terminal, shows what would happen and asks. */
async function confirm(context: Context, stack: string, extra: readonly string[]): Promise<void> {
  if (context.yes) return;
  if (!context.console.interactive) {
    throw new Failure(`up ${stack} asks before it changes anything; without a terminal add --yes`);
  }
  await execa(
    "pulumi",
    ["preview", "--stack", stack, "--config-file", configFile(context.paths, stack), ...extra],
    {
      cwd: context.paths.checkout,
      env: childEnvironment(context.paths, context.environment),
      extendEnv: false,
      stdio: ["ignore", "inherit", "inherit"],
      reject: false,
    },
  );
  if (!(await context.console.ask(`Do this to stack ${stack}?`))) {
    throw new Failure("nothing was changed");
  }
}
