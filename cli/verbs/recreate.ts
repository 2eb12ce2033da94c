import type { Context } from "../context.ts";
import { readResources } from "../deployment.ts";
import { Failure, InputError, didYouMean } from "../errors.ts";
import { describeDifferences } from "../settings.ts";
import type { Stack } from "../stack.ts";
import { composeConfig } from "../state.ts";
import { checkProgram } from "../trial.ts";
import { destroy } from "./destroy.ts";
import { prepareMachine, up } from "./up.ts";

export interface RecreateOptions {
  readonly settings: readonly string[];
  readonly timeoutMinutes: number;
  readonly node?: string;
}

/** Destroys the stack and brings it up again, or does so with one node and its data. */
export async function recreate(context: Context, stack: Stack, options: RecreateOptions): Promise<void> {
  const config = await composeConfig(context.paths, stack, options.settings, "last");
  const committed = await composeConfig(context.paths, stack, []);
  for (const difference of describeDifferences(committed, config)) {
    context.console.info(`config other than committed: ${difference}`);
  }
  if (options.node !== undefined) {
    await recreateNode(context, stack, options.node, options);
    return;
  }
  // What would stop the second half is found before the first one, which loses the data.
  await prepareMachine(context, stack, config);
  await checkProgram(context, stack.name, config);
  const quiet: Context = context.console.json
    ? { ...context, console: { ...context.console, out: context.console.info } }
    : context;
  await destroy(quiet, stack, options);
  await up({ ...context, yes: true }, stack, { ...options, settings: [], base: config, verb: "recreate" });
}

async function recreateNode(
  context: Context,
  stack: Stack,
  node: string,
  options: RecreateOptions,
): Promise<void> {
  const volumes = (await readResources(context.paths, stack.name)).filter(
    ({ type }) => type === "homespan:index:StewardVolume",
  );
  const names = volumes.map(({ inputs }) => String(inputs?.["nodeName"]));
  const volume = volumes.find(({ inputs }) => inputs?.["nodeName"] === node);
  if (volume === undefined) {
    const known =
      names.length === 0 ? `a node of stack ${stack.name}, which has none` : `one of ${names.join(", ")}`;
    throw new InputError(`\`--node\` must be ${known}, got "${node}"${didYouMean(node, names)}`);
  }
  context.console.info(
    `${node} will be removed from the cluster with all data on its volume, then made again under the same name`,
  );
  if (!context.yes) {
    if (!context.console.interactive)
      throw new InputError(`recreate --node ${node} asks first; without a terminal add --yes`);
    if (!(await context.console.ask(`Recreate ${node} and lose its data?`)))
      throw new Failure("nothing was changed");
  }
  await up({ ...context, yes: true }, stack, {
    ...options,
    base: "last",
    verb: "recreate",
    pulumiArguments: ["--replace", volume.urn],
  });
}
