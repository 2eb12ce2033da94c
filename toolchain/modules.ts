/** Builds a tool from its Go module with the ordinary `go` client. */
import { createHash } from "node:crypto";
import { createWriteStream, existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { findCommand } from "./machine.ts";
import { withLock } from "./locks.ts";
import { stableJson } from "./recipe.ts";
import type { BuildSet, CopyBase, FreshBase, ModulesPin } from "./pin-types.ts";

export interface BuildContext {
  readonly cache: string;
  /** The `go` program, from `findGo`. */
  readonly go: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: string;
  readonly onProgress: (text: string) => void;
  /** Ends a run of `go` that is no longer wanted. */
  readonly signal?: AbortSignal;
}

/** Go's default install folder, where it is when nobody put it on PATH. */
const GO_DEFAULT = "/usr/local/go/bin";

/** With less, a compiler that comes near its limit would collect all the time. Chosen, not measured: 6 GiB is what was tried. */
const LEAST_SHARE_MIB = 3072;

/**
 * The `go` client: on PATH, else in Go's default install folder.
 *
 * @throws Error that names the ways to get it.
 */
export function findGo(path: string = process.env["PATH"] ?? "", fallback: string = GO_DEFAULT): string {
  const found = findCommand("go", path) ?? findCommand("go", fallback);
  if (found !== undefined) return found;
  throw new Error(
    "building tools from Go modules needs `go` 1.21 or newer on PATH or in /usr/local/go; install it from https://go.dev/dl or with: apt-get install golang-go (Debian 13 or newer)",
  );
}

/** Builds all programs of the recipe into `target`. */
export async function buildFromModules(
  recipe: Pick<ModulesPin, "sets">,
  target: string,
  context: BuildContext,
): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const set of recipe.sets) {
    const folder = await prepareWorkspace(set, context);
    if (set.ownFiles !== undefined) await cp(set.ownFiles, folder, { recursive: true });
    for (const build of set.builds) {
      context.onProgress(build.output);
      await go(
        context,
        [
          ...["build", "-v", "-trimpath", ...compilerFlags(set), ...tagFlags(set)],
          ...["-ldflags", await linkerFlags(set, context)],
          ...["-o", join(target, build.output), build.package],
        ],
        folder,
        set.cgo === true,
      );
    }
    for (const [from, to] of Object.entries(set.assets ?? {})) {
      await mkdir(dirname(join(target, to)), { recursive: true });
      await cp(join(folder, from), join(target, to));
    }
  }
}

/**
 * Downloads what a build of the recipe will read, and compiles nothing: one tool's modules come over the network while
 * another is compiled.
 */
export async function fetchModules(recipe: ModulesPin, context: BuildContext): Promise<void> {
  for (const set of recipe.sets) {
    const folder = await prepareWorkspace(set, context);
    const packages = set.builds.map((build) => build.package);
    // A program that is embedded in the next one does not exist yet: -e goes on without it.
    await go(context, ["list", "-e", "-deps", ...tagFlags(set), ...packages], folder, set.cgo === true);
  }
}

/** Free caches: what Go downloaded and compiled, and the folders it was built in. The tools stay. */
export async function removeGoCaches(cache: string): Promise<void> {
  for (const name of ["go", "src"]) await removeReadOnly(join(cache, name));
}

/** Removes a tree that holds read-only folders, as Go's module cache does. */
export async function removeReadOnly(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  await execa("chmod", ["-R", "u+w", folder], { reject: false });
  await rm(folder, { recursive: true, force: true });
}

/**
 * The main module a set is built in, at a path that stays the same so that Go finds its compiled packages again.
 * It is made once: a stamp says that every step came to its end.
 */
async function prepareWorkspace(set: BuildSet, context: BuildContext): Promise<string> {
  const hash = createHash("sha256").update(stableJson(set.base)).digest("hex").slice(0, 12);
  const folder = join(context.cache, "src", set.workspace);
  const stamp = join(context.cache, "src", `${set.workspace}.stamp`);
  await mkdir(dirname(folder), { recursive: true });
  await withLock(join(context.cache, "locks"), `src-${set.workspace}`, async () => {
    const made = await readFile(stamp, "utf8").catch(() => "");
    if (made === hash && existsSync(join(folder, "go.mod"))) return;
    context.onProgress("preparing");
    await removeReadOnly(folder);
    if (set.base.kind === "fresh") await freshModule(set, set.base, folder, context);
    else await copyModule(set.base, folder, context);
    await writeFile(stamp, hash);
  });
  return folder;
}

async function freshModule(
  set: BuildSet,
  base: FreshBase,
  folder: string,
  context: BuildContext,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await go(context, ["mod", "init", `homespan.local/${set.workspace}`], folder);
  const edits = [
    ...(base.require ?? []).map((module) => `-require=${module}`),
    ...(base.replace ?? []).map((replace) => `-replace=${replace}`),
  ];
  if (edits.length > 0) await go(context, ["mod", "edit", ...edits], folder);
  if (base.get !== undefined) await go(context, ["get", ...base.get], folder);
}

async function copyModule(base: CopyBase, folder: string, context: BuildContext): Promise<void> {
  const output = await go(
    context,
    ["mod", "download", "-json", `${base.module}@${base.version}`],
    dirname(folder),
  );
  const { Dir: source } = JSON.parse(output) as { Dir: string };
  await cp(source, folder, { recursive: true });
  await makeWritable(folder);
  if (base.dropVendor === true) await rm(join(folder, "vendor"), { recursive: true, force: true });
  for (const [from, to] of Object.entries(base.copyFiles ?? {})) {
    await mkdir(dirname(join(folder, to)), { recursive: true });
    await cp(join(folder, from), join(folder, to), { recursive: true });
  }
  if (base.replace !== undefined) {
    await go(context, ["mod", "edit", ...base.replace.map((replace) => `-replace=${replace}`)], folder);
  }
  if (base.get !== undefined) await go(context, ["get", ...base.get], folder);
}

/** Files in Go's module cache are read-only; the copy's must not be. */
async function makeWritable(path: string): Promise<void> {
  const { mode } = await stat(path);
  await chmod(path, mode | 0o200);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(path, entry.name));
    else if (entry.isFile()) await chmod(join(path, entry.name), 0o644);
  }
}

/** The linker leaves debugging data out (-s -w), so the compiler need not make it. Of two patterns the last that fits decides. */
function compilerFlags({ unoptimized }: BuildSet): string[] {
  const rest = unoptimized === undefined ? [] : [`-gcflags=${unoptimized}=-dwarf=false -N -l`];
  return ["-gcflags=all=-dwarf=false", ...rest];
}

/**
 * A compiler that never collects its garbage is faster, where each of those that run at the same time can have the memory: together with
 * leaving debugging data out a fifth less processor time (docs/evidence/2026-11-28.md). https://pkg.go.dev/runtime#hdr-Environment_Variables
 */
export function compilerMemory(
  environment: Readonly<Record<string, string | undefined>>,
  { bytes = totalmem(), cores = availableParallelism() } = {},
): Readonly<Record<string, string>> {
  const share = Math.floor(bytes / 2 ** 20 / cores / 2);
  if (environment["GOGC"] !== undefined || share < LEAST_SHARE_MIB) return {};
  return { GOGC: "off", GOMEMLIMIT: `${share}MiB` };
}

function tagFlags(set: BuildSet): string[] {
  return set.tags === undefined ? [] : ["-tags", set.tags.join(",")];
}

async function linkerFlags(set: BuildSet, context: BuildContext): Promise<string> {
  const flags = ["-s -w", ...(set.ldflags === undefined ? [] : [set.ldflags])].join(" ");
  if (!flags.includes("{goversion}")) return flags;
  const version = await go(context, ["env", "GOVERSION"], dirname(context.log));
  return flags.replaceAll("{goversion}", version.trim());
}

/** Runs `go`; what it says goes to the log, its last words into the error. */
async function go(context: BuildContext, args: readonly string[], cwd: string, cgo = false): Promise<string> {
  const { cache, environment } = context;
  const log = createWriteStream(context.log, { flags: "a" });
  log.write(`$ go ${args.join(" ")}\n`);
  const child = execa(context.go, args, {
    cwd,
    // Go says each module it downloads and each error; a build of hours would be stopped by the caller.
    env: {
      ...environment,
      ...compilerMemory(environment),
      GOMODCACHE: join(cache, "go", "mod"),
      GOCACHE: join(cache, "go", "build"),
      GOFLAGS: "-mod=mod -buildvcs=false",
      GOWORK: "off",
      CGO_ENABLED: cgo ? "1" : "0",
    },
    extendEnv: false,
    reject: false,
    ...(context.signal === undefined ? {} : { cancelSignal: context.signal }),
  });
  child.stderr.on("data", (chunk: Buffer) => {
    log.write(chunk);
    const said = doing(chunk.toString());
    if (said !== undefined) context.onProgress(said);
  });
  const result = await child;
  await new Promise((resolve) => log.end(resolve));
  if (result.failed) throw new Error(explainGoFailure(result.stderr, args, context.log, result.shortMessage));
  return result.stdout;
}

/** What Go is at, by the last line that tells: a module it downloads, or a package it compiles, which `-v` names. */
export function doing(said: string): string | undefined {
  const lines = said.split("\n").map((line) => line.trim());
  const line = lines.findLast((it) => it.startsWith(DOWNLOADING) || PACKAGE.test(it));
  if (line === undefined) return undefined;
  return line.startsWith(DOWNLOADING)
    ? line.slice("go: ".length).split(" ").slice(0, 2).join(" ")
    : `compiling ${line}`;
}

const DOWNLOADING = "go: downloading";
/** A package's path, as `go build -v` prints it. */
const PACKAGE = /^[\w.~@-]+(\/[\w.~@-]+)*$/;

/** The cause in one or two lines, the fix where it is known, and where the rest is. */
export function explainGoFailure(
  stderr: string,
  args: readonly string[],
  log: string,
  message: string | undefined,
): string {
  const lines = stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith(DOWNLOADING) && !PACKAGE.test(line));
  const words = lines.slice(-3).join("; ") || (message ?? "no output");
  const fix = fixFor(stderr);
  return `go ${args[0] ?? ""} failed: ${words}${fix === "" ? "" : `; ${fix}`} (everything it said: ${log})`;
}

function fixFor(stderr: string): string {
  if (/no space left on device/.test(stderr)) {
    return "free some space, or set HOMESPAN_CACHE to a folder on a larger disk";
  }
  if (/dial tcp|i\/o timeout|no such host|connection refused/.test(stderr)) {
    return "the Go module proxy must be reachable: check GOPROXY and HTTPS_PROXY";
  }
  if (/Package libseccomp was not found|pkg-config/.test(stderr)) {
    return "install what it compiles against: apt-get install pkg-config libseccomp-dev";
  }
  if (/C compiler|"gcc": executable file not found/.test(stderr))
    return "install a C compiler: apt-get install gcc";
  return "";
}
