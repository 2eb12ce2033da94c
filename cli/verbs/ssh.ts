import { clusterOutputs, findNode } from "../cluster.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
import { withNodeCommands } from "../node-commands.ts";
import { runInForeground } from "../signals.ts";
import type { Stack } from "../stack.ts";

/** A shell on the node, where k3s runs, or one command there; returns its exit code. */
export async function ssh(
  context: Context,
  stack: Stack,
  name: string,
  command: readonly string[],
): Promise<number> {
  const outputs = await clusterOutputs(context, stack.name);
  const node = findNode(outputs.nodes, name);
  const terminal = process.stdin.isTTY && process.stdout.isTTY;
  const environment = childEnvironment(context.paths, context.environment);
  return withNodeCommands(context, outputs, (commandsOf) => {
    const [program, ...args] = commandsOf(node).shell(command, terminal);
    return runInForeground(program, args, environment);
  });
}
