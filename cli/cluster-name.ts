/** The name of the cluster that a stack's nodes belong to, before the stack itself has said it. */
import type { Context } from "./context.ts";
import { readOutputs } from "./deployment.ts";
import { type StackFile, joinedStack, settingOf } from "./settings.ts";

/**
 * What nodes are told, and marked with: of a stack that joins, the other's cluster.
 *
 * @param stack - its name, which is its cluster's where nothing else is said
 * @returns "" where the cluster to join is not up here
 */
export async function clusterNameOf(context: Context, stack: string, config: StackFile): Promise<string> {
  const joined = joinedStack(config);
  if (joined === undefined) return ownClusterName(stack, config);
  const { clusterName } = await readOutputs(context.paths, joined);
  return typeof clusterName === "string" ? clusterName : "";
}

/** That of a stack with a cluster of its own. */
export function ownClusterName(stack: string, config: StackFile): string {
  const configured = settingOf(config, "clusterName");
  return typeof configured === "string" ? configured : stack;
}
