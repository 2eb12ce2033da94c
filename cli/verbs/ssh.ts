import { clusterOutputs, findNode } from "../cluster.ts";
import type { Context } from "../context.ts";
import { readOutputs } from "../deployment.ts";
import { childEnvironment } from "../environment.ts";
import { machineNodes } from "../machine-nodes.ts";
import type { CommandedNode, CommandedNodes } from "../node-commands.ts";
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
  const target = await commanded(context, stack.name);
  const node = findNode(target.nodes, name);
  const terminal = process.stdin.isTTY && process.stdout.isTTY;
  const environment = childEnvironment(context.paths, context.environment);
  return withNodeCommands(context, target, (commandsOf) => {
    const [program, ...args] = commandsOf(node).shell(command, terminal);
    return runInForeground(program, args, environment);
  });
}

/** All nodes of a stack that is up; of one that is not, those whose machines can be reached. */
async function commanded(context: Context, stack: string): Promise<CommandedNodes> {
  const complete = (await readOutputs(context.paths, stack))["nodes"] !== undefined;
  const machines = complete ? undefined : await machineNodes(context, stack);
  if (machines === undefined) return { stack, ...(await clusterOutputs(context, stack)) };
  const nodes = machines.nodes.flatMap(({ name, transport }): CommandedNode[] =>
    transport === undefined ? [] : [{ name, transport }],
  );
  return { stack, nodes, sshPrivateKey: machines.privateKey };
}
