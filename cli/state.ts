/** The state folder: Pulumi's backend, the passphrase and each stack's config file. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, link, mkdir, readFile, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "./context.ts";
import { InputError } from "./errors.ts";
import { removeStaleLocks, withLock } from "./locks.ts";
import type { Paths } from "./paths.ts";
import { pulumi } from "./pulumi.ts";
import {
  applySettings,
  describeDifferences,
  isEncrypted,
  parseStackFile,
  renderStackFile,
} from "./settings.ts";
import type { StackFile } from "./settings.ts";
import type { Stack } from "./stack.ts";
import { listStacks, projectName } from "./stack.ts";

/** The config file a stack runs with. */
export function configFile(paths: Paths, stack: string): string {
  return join(paths.config, `Pulumi.${stack}.yaml`);
}

/** Pulumi's checkpoint of a stack. */
export function checkpointFile(paths: Paths, project: string, stack: string): string {
  return join(paths.backend, ".pulumi", "stacks", project, `${stack}.json`);
}

/**
 * What the settings of a run are laid over: the committed file, what the stack last ran with (the committed file while
 * it never did), or a config put together earlier.
 */
export type ConfigBase = "committed" | "last" | StackFile;

/**
 * The stack's config: the base, the settings of this run over it, and the salt Pulumi gave this stack. Nothing is written.
 *
 * `up` and `preview` start from what is committed, so that a plain `up` means what the file says; every verb about a stack
 * as it is starts from what it last ran with.
 *
 * @throws InputError for a setting that is no `key=value`.
 */
export async function composeConfig(
  paths: Paths,
  stack: Stack,
  settings: readonly string[],
  base: ConfigBase = "committed",
): Promise<StackFile> {
  const previous = await previousConfig(paths, stack.name);
  const chosen = base === "last" ? previous : base === "committed" ? undefined : base;
  const { encryptionsalt: _salt, ...start } = chosen ?? (await committedConfig(paths, stack));
  const composed = applySettings({ ...start, config: { ...secretsOf(previous), ...start.config } }, settings);
  const salt = previous?.encryptionsalt;
  return salt === undefined ? composed : { ...composed, encryptionsalt: salt };
}

/** What `pulumi config set --secret` put into the stack's own file, of which the committed one knows nothing. */
function secretsOf(previous: StackFile | undefined): Record<string, unknown> {
  const entries = Object.entries(previous?.config ?? {});
  return Object.fromEntries(entries.filter(([, value]) => isEncrypted(value)));
}

async function committedConfig(paths: Paths, stack: Stack): Promise<StackFile> {
  const committedName = `Pulumi.${stack.topology}.yaml`;
  const committed = parseStackFile(
    await readFile(join(paths.checkout, committedName), "utf8"),
    committedName,
  );
  return stack.name === stack.topology
    ? committed
    : { ...committed, config: { "homespan:topology": stack.topology, ...committed.config } };
}

async function previousConfig(paths: Paths, stack: string): Promise<StackFile | undefined> {
  const file = configFile(paths, stack);
  if (!existsSync(file)) return undefined;
  return parseStackFile(await readFile(file, "utf8"), file);
}

/**
 * Makes the stack ready to run: folder, passphrase, an empty stack in the backend, and its config file.
 * Says what became different since the last run's config.
 */
export async function prepareStack(
  context: Context,
  stack: Stack,
  settings: readonly string[],
  base: ConfigBase = "committed",
): Promise<StackFile> {
  const { paths } = context;
  return withLock(stateLock(paths), "prepare", 30_000, async () => {
    await makeFolders(context);
    const project = await projectName(paths);
    const composed = await composeConfig(paths, stack, settings, base);
    await writePrivate(join(paths.config, "Pulumi.yaml"), projectFile(project));
    const differences = await differencesSinceLastRun(paths, stack.name, composed);
    // Its age tells `sweep` when a stack that never came up was configured.
    if (base !== "last" || differences === undefined || differences.length > 0) {
      await writePrivate(configFile(paths, stack.name), renderStackFile(composed));
    }
    if (!existsSync(checkpointFile(paths, project, stack.name))) {
      await pulumi(context, ["stack", "init", stack.name, "--no-select"], { cwd: paths.config });
    }
    sayDifferences(context, differences);
    return composed;
  });
}

/** A Pulumi project without a program. */
export function projectFile(name: string): string {
  return `# Commands that need no program run here, so that Pulumi writes no file of the checkout.\nname: ${name}\nruntime: nodejs\n`;
}

/** Undefined for a stack that never ran. */
export async function differencesSinceLastRun(
  paths: Paths,
  stack: string,
  config: StackFile,
): Promise<readonly string[] | undefined> {
  const previous = await previousConfig(paths, stack);
  return previous === undefined ? undefined : describeDifferences(previous, config);
}

export function sayDifferences({ console }: Context, differences: readonly string[] = []): void {
  for (const difference of differences) console.info(`config since the last run: ${difference}`);
}

/** Puts back the config file that a run replaced before it was refused. */
export async function restoreConfig(paths: Paths, stack: string, text: string): Promise<void> {
  await writePrivate(configFile(paths, stack), text);
}

/** Of the folder as a whole: what comes and goes with its first and last stack. */
function stateLock(paths: Paths): string {
  return join(paths.state, "state.lock");
}

/** The state folder with its passphrase. */
export async function makeFolders({ paths, environment }: Context): Promise<void> {
  await mkdir(paths.state, { recursive: true, mode: 0o700 });
  await chmod(paths.state, 0o700);
  for (const folder of [paths.backend, paths.config, paths.logs, paths.locks]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  if (environment["PULUMI_CONFIG_PASSPHRASE"] === undefined) await makePassphrase(paths);
}

async function makePassphrase(paths: Paths): Promise<void> {
  if (existsSync(paths.passphrase)) return;
  const stacks = listStacks(paths);
  if (stacks.length > 0) {
    throw new InputError(
      `${paths.passphrase} is missing, but stacks encrypted with it exist: ${stacks.join(", ")}; put it back, or set PULUMI_CONFIG_PASSPHRASE`,
    );
  }
  // Linked into place: two first runs agree on one passphrase.
  const draft = `${paths.passphrase}.${String(process.pid)}`;
  await writeFile(draft, randomBytes(32).toString("base64url"), { mode: 0o600 });
  await link(draft, paths.passphrase).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  });
  await rm(draft);
}

/** Replaces a file in one step, readable by its owner alone. */
export async function writePrivate(file: string, content: string): Promise<void> {
  const draft = `${file}.${String(process.pid)}`;
  try {
    await writeFile(draft, content, { mode: 0o600 });
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    // Node does not name the file when the disk is full.
    throw Object.assign(error instanceof Error ? error : new Error(String(error)), { path: file });
  }
}

/**
 * Removes all that is kept of a stack.
 *
 * @param keepConfig leaves its config file, and with it the passphrase that opens what is encrypted there.
 */
export async function forgetStack(context: Context, stack: string, keepConfig = false): Promise<void> {
  const { paths } = context;
  const project = await projectName(paths);
  await withLock(stateLock(paths), "destroy", 30_000, async () => {
    const stacks = join(paths.backend, ".pulumi", "stacks", project);
    await removeNamed(stacks, (name) => name === stack || name.startsWith(`${stack}.json`));
    for (const kind of ["backups", "history"]) {
      await rm(join(paths.backend, ".pulumi", kind, project, stack), { recursive: true, force: true });
    }
    await rm(join(paths.backend, ".pulumi", "locks", "organization", project, stack), {
      recursive: true,
      force: true,
    });
    if (!keepConfig) await rm(configFile(paths, stack), { force: true });
    await rm(join(paths.config, `Restore.${stack}.json`), { force: true });
    await rm(join(paths.logs, stack), { recursive: true, force: true });
  });
}

/**
 * Removes the state folder when no stack is left in it and no other run is at work there.
 * Call it after the stack's lock was given back.
 */
export async function removeEmptyState(paths: Paths): Promise<boolean> {
  if (!existsSync(paths.state)) return false;
  const emptied = await withLock(stateLock(paths), "clean up", 30_000, async () => {
    if (listStacks(paths).length > 0) return false;
    await removeStaleLocks(paths.locks);
    // Not empty: another run has just taken a stack's lock and will make that stack.
    if (!(await removeFolderIfEmpty(paths.locks))) return false;
    for (const path of [paths.backend, paths.config, paths.logs, paths.temporary, paths.passphrase]) {
      await rm(path, { recursive: true, force: true });
    }
    return true;
  });
  // Anything else in there is not ours to remove, or belongs to a run that has come meanwhile.
  return emptied && (await removeFolderIfEmpty(paths.state));
}

/** False when something is in it. */
async function removeFolderIfEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

async function removeNamed(folder: string, matches: (name: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter(matches)) await rm(join(folder, name), { recursive: true, force: true });
}
