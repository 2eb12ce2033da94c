import { clusterOutputs, findNode } from "../cluster.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
import { runInForeground } from "../signals.ts";
import type { Stack } from "../stack.ts";

/** A shell on the node, where k3s runs, or one command there; returns its exit code. */
export async function ssh(
  context: Context,
  stack: Stack,
  name: string,
  command: readonly string[],
): Promise<number> {
  const { nodes } = await clusterOutputs(context, stack.name);
  const node = findNode(nodes, name);
  const terminal = process.stdin.isTTY && process.stdout.isTTY;
  const args = ["exec", terminal ? "-it" : "-i", `${node.pod}-k3s`];
  const inside = command.length === 0 ? ["/bin/sh"] : command;
  const environment = childEnvironment(context.paths, context.environment);
  return runInForeground("podman", [...args, ...inside], environment);
}
