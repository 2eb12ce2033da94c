import { clusterOutputs, withKubeconfig } from "../cluster.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
import { runInForeground } from "../signals.ts";
import type { Stack } from "../stack.ts";

/** Runs kubectl against the stack and returns its exit code. */
export async function kubectl(context: Context, stack: Stack, args: readonly string[]): Promise<number> {
  const outputs = await clusterOutputs(context, stack.name);
  const environment = childEnvironment(context.paths, context.environment);
  return withKubeconfig(context, outputs.kubeconfig, (file) =>
    runInForeground("kubectl", args, { ...environment, KUBECONFIG: file }),
  );
}
