import type { Outputs } from "../cluster.ts";
import { clusterOutputs } from "../cluster.ts";
import type { Context } from "../context.ts";
import { readOutputs, requireStack } from "../deployment.ts";
import { Failure } from "../errors.ts";
import { orderedMachines } from "../machine-nodes.ts";
import { machineStages } from "../machine-stages.ts";
import { statusTable, viewCluster } from "../nodes.ts";
import { pushCommand } from "../registry.ts";
import { stagesOf } from "../operation.ts";
import type { Stack } from "../stack.ts";
import type { StageSummary } from "../stages.ts";
import { describeStage } from "../stages.ts";

/** Shows each node: how far it got, whether Kubernetes calls it Ready, and how it is reached. */
export async function status(context: Context, stack: Stack): Promise<void> {
  const { console } = context;
  await requireStack(context.paths, stack.name);
  if ((await readOutputs(context.paths, stack.name))["nodes"] === undefined) {
    await unfinished(context, stack);
    return;
  }
  const outputs = await clusterOutputs(context, stack.name);
  const [view, others] = await Promise.all([
    viewCluster(context, stack.name, outputs),
    unfinishedMachines(context, stack.name, outputs),
  ]);
  const expiresAt = outputs.expiresAt ?? null;
  if (console.json) {
    console.out(
      JSON.stringify({
        stack: stack.name,
        clusterName: outputs.clusterName,
        apiUrl: outputs.apiUrl,
        expiresAt,
        registry: outputs.registry ?? null,
        ...view,
        ...(others.length === 0 ? {} : { unfinished: others }),
      }),
    );
  } else {
    console.out(statusTable(view.nodes));
    console.out(`\n${outputs.apiUrl}${expiresAt === null ? "" : `, expires at ${expiresAt}`}`);
    if (outputs.registry) console.out(pushCommand(outputs.registry));
    for (const { stage } of view.nodes) if (stage.state !== "done") console.out(describeStage(stage));
    for (const stage of others) console.out(describeStage(stage));
    if (view.problem !== undefined) console.warn(`the API did not answer: ${view.problem}`);
  }
  if (others.length > 0 || view.nodes.some(({ ready }) => !ready)) {
    throw new Failure("not all nodes are Ready");
  }
}

/** Machines that an `up` which did not end has ordered since the last one that did. */
async function unfinishedMachines(
  context: Context,
  stack: string,
  { nodes }: Outputs,
): Promise<readonly StageSummary[]> {
  const known = new Set(nodes.map(({ name }) => name));
  const ordered = await orderedMachines(context, stack);
  if (ordered.every((name) => known.has(name))) return [];
  return (await machineStages(context, stack)).filter(({ node }) => !known.has(node));
}

async function unfinished(context: Context, stack: Stack): Promise<void> {
  const stages = await stagesOf(context, stack.name);
  if (context.console.json)
    context.console.out(JSON.stringify({ stack: stack.name, complete: false, stages }));
  else if (stages.length > 0) context.console.out(stages.map(describeStage).join("\n"));
  throw new Failure(
    `stack ${stack.name} was not brought up completely; go on with: ./homespan up ${stack.name}`,
  );
}
