import type { Context } from "../context.ts";
import { groupsFor } from "../needs.ts";
import { withStack } from "../operation.ts";
import type { Stack } from "../stack.ts";
import { composeConfig, differencesSinceLastRun, removeEmptyState, sayDifferences } from "../state.ts";
import { showPreview, withTrial } from "../trial.ts";

/** Shows what `up` would do, in pulumi's own words. Neither the stack nor the config it last ran with changes. */
export async function preview(context: Context, stack: Stack, settings: readonly string[]): Promise<void> {
  const { paths } = context;
  const config = await composeConfig(paths, stack, settings);
  await context.machine.prepare(context, groupsFor(context, stack.topology, config, "look"));
  try {
    await withStack(context, stack, "preview", async () => {
      sayDifferences(context, await differencesSinceLastRun(paths, stack.name, config));
      await withTrial(context, stack.name, config, "stack", (trial) =>
        showPreview(context, trial, context.console.json ? "json" : "text"),
      );
    });
  } finally {
    // Of a stack that does not exist nothing stays.
    await removeEmptyState(paths);
  }
}
