import { execa } from "execa";
import type { Context } from "../context.ts";
import { Failure } from "../errors.ts";
import { recover, withStack } from "../operation.ts";
import { withPulumiEnvironment } from "../pulumi-environment.ts";
import type { Stack } from "../stack.ts";
import { configFile, prepareStack } from "../state.ts";

/** Shows what `up` would do, in pulumi's own words. Changes nothing but the stack's config file in the state folder. */
export async function preview(context: Context, stack: Stack, settings: readonly string[]): Promise<void> {
  await context.machine.prepare(context, ["core"]);
  await withStack(context, stack, "preview", async () => {
    await prepareStack(context, stack, settings);
    await recover(context, stack.name);
    const args = ["preview", "--stack", stack.name, "--config-file", configFile(context.paths, stack.name)];
    const result = await withPulumiEnvironment(context, (env) =>
      execa("pulumi", [...args, ...(context.console.json ? ["--json"] : ["--diff"])], {
        cwd: context.paths.checkout,
        env,
        extendEnv: false,
        stdio: ["ignore", "inherit", "inherit"],
        reject: false,
      }),
    );
    if (result.failed) throw new Failure(`preview ${stack.name} failed; what pulumi said is above`);
  });
}
