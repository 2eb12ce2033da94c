import { execa } from "execa";
import { clusterOutputs, withKubeconfig } from "../cluster.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
import { Failure } from "../errors.ts";
import type { Stack } from "../stack.ts";

/** Runs kubectl against the stack and returns its exit code. */
export async function kubectl(context: Context, stack: Stack, args: readonly string[]): Promise<number> {
  const outputs = await clusterOutputs(context, stack.name);
  return withKubeconfig(context, outputs.kubeconfig, async (file) => {
    const result = await execa("kubectl", [...args], {
      env: { ...childEnvironment(context.paths, context.environment), KUBECONFIG: file },
      extendEnv: false,
      stdio: "inherit",
      reject: false,
    });
    if (result.code === "ENOENT") {
      throw new Failure("kubectl is not installed yet; run: ./homespan toolchain --prepare");
    }
    return result.exitCode ?? 1;
  });
}
