import type { Context } from "../context.ts";
import { describeChecks } from "../doctor/checks.ts";
import { examineExisting } from "../doctor/existing.ts";
import { examineMachine } from "../doctor/machine.ts";
import { Failure, InputError } from "../errors.ts";
import { clusterName, stagesOf } from "../operation.ts";
import type { Stack } from "../stack.ts";
import { describeStage } from "../stages.ts";
import { composeConfig } from "../state.ts";

/** Examines this machine, and every node of the stack that is there. */
export async function doctor(context: Context, stack: Stack, settings: readonly string[]): Promise<void> {
  const config = await composeConfig(context.paths, stack, settings, "last");
  const machine = [
    ...(await examineMachine(context, stack.name, config)),
    ...(await examineExisting(context, stack.name, config, "all")),
  ];
  const nodes = await stagesOf(context, await clusterName(context, stack.name));
  const problems = machine.filter(({ result }) => result === "problem").length;
  const failed = nodes.filter(({ state }) => state !== "done").length;
  if (context.console.json) {
    context.console.out(
      JSON.stringify({ stack: stack.name, healthy: problems + failed === 0, machine, nodes }),
    );
  } else {
    context.console.out(describeChecks(machine));
    if (nodes.length > 0) context.console.out(`\n${nodes.map(describeStage).join("\n")}`);
  }
  if (problems > 0) throw new InputError(`there are ${String(problems)} problem(s) to fix first`);
  if (failed > 0) throw new Failure(`${String(failed)} node(s) are not ready`);
}
