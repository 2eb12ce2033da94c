/** Runs the program to see what it would do, without changing or keeping anything: preview, render, and the check before recreate. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { execa } from "execa";
import { indent } from "./console.ts";
import type { Context } from "./context.ts";
import { stackExists } from "./deployment.ts";
import { backendUrl } from "./environment.ts";
import { Failure, InputError } from "./errors.ts";
import { groupsFor } from "./needs.ts";
import { recover, withStack } from "./operation.ts";
import { pulumi } from "./pulumi.ts";
import { withPulumiEnvironment } from "./pulumi-environment.ts";
import { configProblems, isFollowUp, previewErrors } from "./refusal.ts";
import type { StackFile } from "./settings.ts";
import { holdsSecrets, joinedStack, renderStackFile } from "./settings.ts";
import { stoppedWithUs } from "./signals.ts";
import type { Stack } from "./stack.ts";
import { projectName } from "./stack.ts";
import {
  checkpointFile,
  composeConfig,
  makeFolders,
  projectFile,
  removeEmptyState,
  writePrivate,
} from "./state.ts";

/** What a `pulumi preview` needs. */
export interface Trial {
  readonly stack: string;
  readonly configFile: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Runs `work` with the config in a temporary file.
 *
 * @param start `stack`: from what the stack has, if it exists; `nothing`: as if it did not. What does not exist is made in a
 * backend that goes away again.
 */
export async function withTrial<T>(
  context: Context,
  stack: string,
  config: StackFile,
  start: "stack" | "nothing",
  work: (trial: Trial) => Promise<T>,
): Promise<T> {
  const exists = start === "stack" && (await stackExists(context.paths, stack));
  if (exists) {
    await makeFolders(context);
    await recover(context, stack, "leave");
  }
  return withPulumiEnvironment(context, async (environment, temporary) => {
    const folder = await mkdtemp(join(temporary, "trial-"));
    const configFile = join(folder, `Pulumi.${stack}.yaml`);
    if (exists) {
      await writePrivate(configFile, renderStackFile(config));
      return work({ stack, configFile, environment });
    }
    const { encryptionsalt, ...unsalted } = config;
    // What is encrypted in it needs the salt and the passphrase it was encrypted with.
    const sealed = encryptionsalt !== undefined && holdsSecrets(config);
    await writePrivate(configFile, renderStackFile(sealed ? config : unsalted));
    await writePrivate(join(folder, "Pulumi.yaml"), projectFile(await projectName(context.paths)));
    const backend = join(folder, "backend");
    await mkdir(backend);
    const takenAlong = await takeAlong(context, config, backend);
    const own = {
      ...(sealed || takenAlong ? environment : strangersSecrets(environment)),
      PULUMI_BACKEND_URL: backendUrl(backend),
    };
    await pulumi(context, ["stack", "init", stack, "--no-select"], { cwd: folder, environment: own });
    return work({ stack, configFile, environment: own });
  });
}

/** A passphrase that nobody knows: nothing that is encrypted with it is kept. */
function strangersSecrets({
  PULUMI_CONFIG_PASSPHRASE_FILE: _file,
  ...others
}: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { ...others, PULUMI_CONFIG_PASSPHRASE: randomUUID() };
}

/**
 * The state of the stack whose cluster is joined: the program reads its outputs, secrets among them, so the passphrase has to be its
 * own. False where nothing is to be read.
 */
async function takeAlong({ paths }: Context, config: StackFile, backend: string): Promise<boolean> {
  const joined = joinedStack(config);
  if (joined === undefined) return false;
  const file = checkpointFile(paths, await projectName(paths), joined);
  if (!existsSync(file)) return false;
  const copy = join(backend, relative(paths.backend, file));
  await mkdir(dirname(copy), { recursive: true });
  await copyFile(file, copy);
  return true;
}

/**
 * What `pulumi preview --json` prints, without reading what is there first.
 *
 * @throws InputError when the program refuses the config.
 * @throws Failure with the errors otherwise.
 */
export async function previewJson(
  context: Context,
  trial: Trial,
  args: readonly string[] = [],
): Promise<string> {
  const all = ["preview", "--json", "--refresh=false", ...args, ...ofTrial(trial)];
  const { failed, stdout, stderr } = await stoppedWithUs(
    execa("pulumi", [...all, "--non-interactive", "--color=never"], {
      cwd: context.paths.checkout,
      env: trial.environment,
      extendEnv: false,
      stdin: "ignore",
      reject: false,
    }),
  );
  if (failed) throw previewFailure(trial.stack, stdout, stderr);
  return stdout;
}

/**
 * Shows what `up` would do, in pulumi's own words: as its JSON object, or as a text for whoever decides.
 *
 * @throws InputError when the program refuses the config.
 * @throws Failure otherwise.
 */
export async function showPreview(
  context: Context,
  trial: Trial,
  form: "json" | "text",
  args: readonly string[] = [],
): Promise<void> {
  const { console, paths } = context;
  const all = ["preview", form === "json" ? "--json" : "--diff", ...args, ...ofTrial(trial)];
  const result = await stoppedWithUs(
    execa("pulumi", all, {
      cwd: paths.checkout,
      env: trial.environment,
      extendEnv: false,
      stdin: "ignore",
      stdout: form === "json" ? "pipe" : console.json ? 2 : "inherit",
      stderr: ["inherit", "pipe"],
      reject: false,
    }),
  );
  const printed = result.stdout ?? "";
  if (form === "json" && printed !== "") console.out(printed.trimEnd());
  if (result.failed) {
    throw previewFailure(trial.stack, printed, stripVTControlCharacters(result.stderr));
  }
}

/**
 * The stack as its config would make it, unchanged resources included: what `pulumi preview --json` prints. Leaves nothing of
 * a stack that does not exist.
 *
 * @param base what `settings` are laid over.
 */
export async function previewWhole(
  context: Context,
  stack: Stack,
  verb: string,
  { settings, base }: { readonly settings: readonly string[]; readonly base: "committed" | "last" },
): Promise<string> {
  const config = await composeConfig(context.paths, stack, settings, base);
  await context.machine.prepare(context, groupsFor(context, stack.topology, config, "look"));
  try {
    return await withStack(context, stack, verb, () =>
      withTrial(context, stack.name, config, "stack", (trial) =>
        previewJson(context, trial, ["--show-sames"]),
      ),
    );
  } finally {
    await removeEmptyState(context.paths);
  }
}

/**
 * Asks the program whether it could make the stack from nothing.
 *
 * @throws InputError when it refuses the config.
 * @throws Failure when it fails otherwise.
 */
export async function checkProgram(context: Context, stack: string, config: StackFile): Promise<void> {
  await withTrial(context, stack, config, "nothing", (trial) => previewJson(context, trial));
}

function ofTrial({ stack, configFile }: Trial): readonly string[] {
  return ["--stack", stack, "--config-file", configFile];
}

function previewFailure(stack: string, stdout: string, stderr: string): InputError | Failure {
  const errors = previewErrors(stdout, stderr).filter((message) => !isFollowUp(message));
  const refused = configProblems(errors);
  if (refused !== undefined) return new InputError(`${refused}\nnothing was created or changed`);
  const words = errors.length > 0 ? errors.join("\n") : stderr.trim().split("\n").slice(-15).join("\n");
  return new Failure(`preview ${stack} failed; nothing was created or changed:\n${indent(words)}`);
}
