import { execa } from "execa";
import { clusterOutputs, findNode } from "../cluster.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
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
  const result = await execa("podman", [...args, ...(command.length === 0 ? ["/bin/sh"] : command)], {
    env: childEnvironment(context.paths, context.environment),
    extendEnv: false,
    stdio: "inherit",
    reject: false,
  });
  return result.exitCode ?? 1;
}
