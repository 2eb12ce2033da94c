/** Puts one tool into the cache: made in a temporary folder, then moved into place in one step. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, cp, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { execa } from "execa";
import { download } from "./download.ts";
import type { DownloadOptions } from "./download.ts";
import { withLock } from "./locks.ts";
import { buildFromModules, fetchModules, findGo } from "./modules.ts";
import type { BuildContext } from "./modules.ts";
import type { DownloadPin, ReleaseFile, ToolPin } from "./pin-types.ts";
import { isGone, processMark } from "./process.ts";
import { offers, platformOf, recipeHash } from "./recipe.ts";
import type { MakeSource } from "./recipe.ts";
import type { Machine, Reporter, Task } from "./types.ts";

/** A tool in the cache. */
export interface Installed {
  readonly name: string;
  readonly version: string;
  readonly source: MakeSource;
  /** The tool's folder; its files have the names the pin gives them. */
  readonly folder: string;
  readonly size: number;
}

export interface InstallContext {
  readonly cache: string;
  readonly machine: Machine;
  readonly reporter: Reporter;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For tests: how patient downloads are. */
  readonly downloadOptions?: DownloadOptions;
}

/** Written last into a tool's folder; a folder without it does not count. */
const STAMP = "tool.json";

/** What a folder's name begins with while a tool is made in it; the mark of the process that makes it follows. */
const DRAFT = ".draft-";
/** A draft that nobody touched for so long is nobody's, whoever made it. */
const DRAFT_MS = 24 * 60 * 60_000;

/** The tool's folder in the cache for a source, whether it exists or not. */
export function toolFolder(pin: ToolPin, source: MakeSource, cache: string, machine: Machine): string {
  return join(cache, "tools", pin.name, recipeHash(pin, source, platformOf(machine)));
}

/** The installed tool, from the first of the sources that has it as it is pinned now. */
export function findInstalled(
  pin: ToolPin,
  sources: readonly MakeSource[],
  cache: string,
  machine: Machine,
): Installed | undefined {
  for (const source of sources) {
    if (!offers(pin, source, platformOf(machine))) continue;
    const folder = toolFolder(pin, source, cache, machine);
    const stamp = join(folder, STAMP);
    if (!existsSync(stamp)) continue;
    const { version, size } = JSON.parse(readFileSync(stamp, "utf8")) as { version: string; size: number };
    return { name: pin.name, version, source, folder, size };
  }
  return undefined;
}

/**
 * Makes the tool from `source`, unless it is there already or another run is making it.
 *
 * @throws Error that says what failed, from where, and how to go on.
 */
export async function installTool(
  pin: ToolPin,
  source: MakeSource,
  context: InstallContext,
): Promise<Installed> {
  const expected = source === "modules" ? pin.modules?.expectedSeconds : undefined;
  const label = `${pin.name} ${versionOf(pin, source)} (${source === "modules" ? "from its Go module" : "official release"})`;
  const task = context.reporter.start(label, expected);
  try {
    const installed = await withLock(
      join(context.cache, "locks"),
      `tool-${pin.name}`,
      () => installLocked(pin, source, context, task),
      {
        onWait: () => {
          task.detail("another run is making it, waiting");
        },
        // A build that outlives its run writes into that run's draft alone.
        fromDead: true,
      },
    );
    task.done();
    return installed;
  } catch (error) {
    task.fail(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

async function installLocked(
  pin: ToolPin,
  source: MakeSource,
  context: InstallContext,
  task: Task,
): Promise<Installed> {
  const { cache, machine } = context;
  const there = findInstalled(pin, [source], cache, machine);
  if (there !== undefined) return there;
  const folder = toolFolder(pin, source, cache, machine);
  await removeOldDrafts(dirname(folder));
  const draft = join(
    dirname(folder),
    `${DRAFT}${processMark() ?? "unknown"}-${randomBytes(6).toString("hex")}`,
  );
  await mkdir(draft, { recursive: true });
  const started = Date.now();
  try {
    if (source === "download") await fromRelease(pin, draft, context, task);
    else await fromModules(pin, draft, context, task);
    const files = outputs(pin, source);
    const size = await finish(draft, files);
    const version = versionOf(pin, source);
    const seconds = Math.round((Date.now() - started) / 1000);
    await writeFile(
      join(draft, STAMP),
      JSON.stringify({ name: pin.name, version, source, size, seconds, files }, null, 2),
    );
    // A folder without a stamp is what an interrupted run of an older layout left.
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
    return { name: pin.name, version, source, folder, size };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Removes what killed runs left. A run that lost its lock, on a machine that slept, still needs its own. */
async function removeOldDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(DRAFT)) continue;
    const draft = join(folder, name);
    const [mark = ""] = name.slice(DRAFT.length).split("-");
    const touched = await stat(draft).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (!isGone(mark) && touched >= Date.now() - DRAFT_MS) continue;
    // One that a program of the killed run still writes into goes another time.
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
  }
}

function versionOf(pin: ToolPin, source: MakeSource): string {
  return (source === "download" ? pin.download?.version : pin.modules?.version) ?? "";
}

function outputs(pin: ToolPin, source: MakeSource): string[] {
  return source === "download"
    ? Object.values(pin.download?.files ?? {})
    : (pin.modules?.sets ?? []).flatMap((set) => [
        ...set.builds.map((build) => build.output),
        ...Object.values(set.assets ?? {}),
      ]);
}

/** Makes the files executable; all of them must exist. Returns their size. */
async function finish(folder: string, files: readonly string[]): Promise<number> {
  let size = 0;
  for (const file of files) {
    await chmod(join(folder, file), 0o755);
    size += (await stat(join(folder, file))).size;
  }
  return size;
}

async function fromModules(pin: ToolPin, draft: string, context: InstallContext, task: Task): Promise<void> {
  if (pin.modules === undefined) throw new Error(`${pin.name} cannot be built from Go modules`);
  const onProgress = (text: string): void => {
    task.detail(text);
  };
  await buildFromModules(pin.modules, draft, await buildContext(pin.name, context, onProgress));
}

/** Downloads the modules of tools that are built later; stops when `signal` says so. What fails here fails again, and is told, in the build. */
export async function fetchAhead(
  pins: readonly ToolPin[],
  context: InstallContext,
  signal: AbortSignal,
): Promise<void> {
  for (const pin of pins) {
    if (pin.modules === undefined || signal.aborted) continue;
    const build = await buildContext(`${pin.name}-modules`, context, () => undefined);
    await fetchModules(pin.modules, { ...build, signal }).catch(() => undefined);
  }
}

async function buildContext(
  name: string,
  { cache, environment }: InstallContext,
  onProgress: (text: string) => void,
): Promise<BuildContext> {
  const log = join(cache, "logs", `${name}.log`);
  await mkdir(dirname(log), { recursive: true });
  await writeFile(log, "");
  return { cache, go: findGo(environment["PATH"]), environment, log, onProgress };
}

async function fromRelease(pin: ToolPin, draft: string, context: InstallContext, task: Task): Promise<void> {
  const recipe = pin.download;
  const release = recipe?.platforms[platformOf(context.machine)];
  if (recipe === undefined || release === undefined) {
    throw new Error(`${pin.name} has no official release for ${platformOf(context.machine)}`);
  }
  const file = releasePath(release, context.cache);
  const fetchAndUnpack = async (): Promise<void> => {
    if (!existsSync(file)) {
      await download(release.url, release.sums, file, {
        ...context.downloadOptions,
        onProgress: (received, total) => {
          task.detail(
            total === undefined ? megabytes(received) : `${megabytes(received)} of ${megabytes(total)}`,
          );
        },
      });
    }
    await unpack(recipe, file, draft, context.machine);
  };
  await withLock(join(context.cache, "locks"), basename(file), fetchAndUnpack, { fromDead: true });
}

/** One file may hold several tools: it is named by its URL and stays until `removeDownloads`. */
function releasePath(release: ReleaseFile, cache: string): string {
  const hash = createHash("sha256").update(release.url).digest("hex").slice(0, 12);
  return join(cache, "downloads", `${hash}-${decodeURIComponent(basename(new URL(release.url).pathname))}`);
}

/** Drops the release files of tools that are installed; half-finished ones of others stay. */
export async function removeDownloads(pins: readonly ToolPin[], context: InstallContext): Promise<void> {
  for (const pin of pins) {
    const release = pin.download?.platforms[platformOf(context.machine)];
    if (release !== undefined) await rm(releasePath(release, context.cache), { force: true });
  }
}

async function unpack(recipe: DownloadPin, file: string, draft: string, machine: Machine): Promise<void> {
  if (recipe.archive === "none") {
    for (const to of Object.values(recipe.files)) await cp(file, join(draft, to));
    return;
  }
  const scratch = join(draft, ".unpacked");
  await mkdir(scratch);
  const members = Object.entries(recipe.files).map(
    ([from, to]) =>
      [
        from
          .replaceAll("{arch}", machine.arch)
          // As `uname -m` says it.
          .replaceAll("{kernel}", machine.arch === "amd64" ? "x86_64" : machine.arch),
        to,
      ] as const,
  );
  await execa("tar", ["-xzf", file, "-C", scratch, ...members.map(([from]) => from)]);
  for (const [from, to] of members) {
    await mkdir(dirname(join(draft, to)), { recursive: true });
    await rename(join(scratch, from), join(draft, to));
  }
  await rm(scratch, { recursive: true });
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
