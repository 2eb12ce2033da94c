/**
 * The toolchain: every program, image and package a run needs, pinned, made once and kept in the cache.
 *
 * Nothing here knows about clusters.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeContainersConf } from "./containers-conf.ts";
import { ensurePackages } from "./debian.ts";
import { cacheFolder } from "./folders.ts";
import { removeGoCaches, removeReadOnly } from "./modules.ts";
import { allowManyWatchers } from "./inotify.ts";
import { linkLanguageHost } from "./links.ts";
import { detectMachine } from "./machine.ts";
import { PINS } from "./pins.ts";
import type { ToolPin } from "./pin-types.ts";
import type { MakeSource } from "./recipe.ts";
import { chooseSource, registryReachable, sourceSetting } from "./reach.ts";
import { DOWNLOAD_GIB, availablePins, buildSpace, ensureTools, neededPins, toolState } from "./tools.ts";
import type { ToolContext, ToolState } from "./tools.ts";
import type { Group, ImageRow, Prepared, Reporter, ToolRow } from "./types.ts";

const LANGUAGE_HOST = fileURLToPath(new URL("language-host/pulumi-language-nodejs", import.meta.url));

export interface PrepareOptions {
  readonly groups: readonly Group[];
  /** Install missing Debian packages without asking. `CI=true` means the same. */
  readonly yes: boolean;
  readonly reporter: Reporter;
}

/**
 * Makes or finds everything the groups need. Instant when it is all there.
 *
 * @throws Error that names the first thing that cannot be had, and the fix.
 */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  const { reporter } = options;
  const rehearsal = options.groups.includes("rehearsal");
  const registry = options.groups.includes("registry");
  const groups = withNeeded(options.groups);
  const context = toolContext(options);
  const { machine, cache } = context;
  await ensurePackages({ groups, machine, yes: agreed(options), reporter, cache });
  await writeContainersConf(cache, machine);
  if (rehearsal) allowManyWatchers(reporter);
  const core = groups.includes("core");
  const online = !core || (await registryReachable(context.setting, cache));
  const pinned = groups.flatMap(pinnedGroups);
  const states = await ensureTools(neededPins(PINS, pinned, !online), context);
  let images: readonly ImageRow[] = [];
  if (pinned.includes("core")) {
    await linkLanguageHost(toolPath(states, "pulumi"), LANGUAGE_HOST, cache, context.environment["PATH"]);
  }
  if (core) {
    if (!online) await context.beforeBuilding();
    const { prepareImages, prepareRegistryImage, prepareRehearsalImages } = await import("./images.ts");
    const imageContext = {
      cache,
      machine,
      reporter,
      online,
      toolPath: (name: string) => toolPath(states, name),
    };
    images = await prepareImages(imageContext);
    if (rehearsal) images = [...images, ...(await prepareRehearsalImages(imageContext))];
    if (registry) images = [...images, await prepareRegistryImage(imageContext)];
  }
  return { machine, tools: states.map(rowOf), images, notes: notesFor(states) };
}

/** A rehearsal runs everything a cluster does, a registry is one of a cluster's, and a host of virtual machines has some made. */
function withNeeded(groups: readonly Group[]): readonly Group[] {
  const core = groups.includes("rehearsal") || groups.includes("registry");
  return [
    ...groups,
    ...(core ? (["core"] as const) : []),
    ...(groups.includes("homelab") ? (["libvirt", "vms"] as const) : []),
  ];
}

/** The groups of tools that a group takes. */
function pinnedGroups(group: Group): readonly Group[] {
  if (group === "cloud") return ["core"];
  return group === "test" ? ["test", "mac"] : [group];
}

/** Every tool this platform can have, installed or not. Reads only. */
export async function listTools(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<readonly ToolRow[]> {
  const context = {
    cache: cacheFolder(environment),
    machine: detectMachine(),
    setting: sourceSetting(environment),
    environment,
    reporter: silent,
  };
  const states = await Promise.all(availablePins(PINS, context).map((pin) => toolState(pin, context)));
  return states.map(rowOf);
}

/** What the tools that are missing will be made from, and the GiB that takes. */
export interface Outstanding {
  readonly source: MakeSource;
  readonly neededGiB: number;
}

/** What `prepare` has still to make for the group `core`; undefined when it has all. Reads only, but for the question what can be reached. */
export async function outstanding(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Outstanding | undefined> {
  const context = {
    cache: cacheFolder(environment),
    machine: detectMachine(),
    setting: sourceSetting(environment),
    environment,
  };
  const missing = async (buildsImages: boolean): Promise<readonly ToolPin[]> => {
    const pins = availablePins(neededPins(PINS, ["core"], buildsImages), context);
    const states = await Promise.all(pins.map((pin) => toolState(pin, context)));
    return states
      .filter(({ installed, onPath }) => installed === undefined && onPath === undefined)
      .map(({ pin }) => pin);
  };
  // What a machine with internet has is complete without the tools that build images.
  if ((await missing(false)).length === 0 && existsSync(join(context.cache, "images"))) return undefined;
  const source = await chooseSource(context.setting);
  return source === "download"
    ? { source, neededGiB: DOWNLOAD_GIB }
    : { source, neededGiB: Math.ceil(buildSpace(await missing(true))) };
}

/** What `clean` drops: `go` what Go downloaded and compiled (`goCaches` in folders.ts says how much), `all` everything but stacks' state. */
export type CleanScope = "go" | "all";

/** Frees disk space; the next `prepare` makes again what it needs. */
export async function clean(scope: CleanScope, cache: string = cacheFolder()): Promise<void> {
  await removeGoCaches(cache);
  if (scope === "go") return;
  for (const name of ["bin", "tools", "downloads", "images", "logs", "pulumi-home/plugins"]) {
    await removeReadOnly(join(cache, name));
  }
  for (const name of ["registry.json", "path-tools.json", "packages.json", "containers.conf"]) {
    await removeReadOnly(join(cache, name));
  }
}

const silent: Reporter = {
  start: () => ({ detail: () => undefined, done: () => undefined, fail: () => undefined }),
  note: () => undefined,
};

function agreed(options: PrepareOptions): boolean {
  return options.yes || process.env["CI"] === "true";
}

function toolContext(options: PrepareOptions): ToolContext {
  const environment = process.env;
  const machine = detectMachine();
  const setting = sourceSetting(environment);
  const cache = cacheFolder(environment);
  let building: Promise<void> | undefined;
  return {
    cache,
    machine,
    reporter: options.reporter,
    environment,
    setting,
    chooseSource: () => chooseSource(setting),
    beforeBuilding: () => {
      building ??= ensurePackages({
        groups: ["build"],
        machine,
        yes: agreed(options),
        reporter: options.reporter,
        cache,
      });
      return building;
    },
  };
}

function mainFile({ pin, installed, onPath }: ToolState): string | null {
  if (onPath !== undefined) return onPath.path;
  if (installed === undefined) return null;
  return join(installed.folder, pin.main ?? pin.name);
}

function toolPath(states: readonly ToolState[], name: string): string {
  const state = states.find((candidate) => candidate.pin.name === name);
  const path = state === undefined ? null : mainFile(state);
  if (path !== null) return path;
  const carrier = PINS.find((pin) => pin.name === name)?.includedIn;
  const fix =
    carrier === undefined
      ? "run: ./homespan toolchain --prepare"
      : `it is part of the official ${carrier}; to build images on this machine set HOMESPAN_SOURCE=modules`;
  throw new Error(`\`${name}\` must be installed, got none; ${fix}`);
}

function rowOf(state: ToolState): ToolRow {
  const { pin, installed, onPath } = state;
  return {
    tool: pin.name,
    group: pin.group,
    version: onPath?.version ?? installed?.version ?? pin.download?.version ?? pin.modules?.version ?? "",
    source: onPath === undefined ? (installed?.source ?? null) : "path",
    path: mainFile(state),
    size: onPath?.size ?? installed?.size ?? null,
    offered: { download: pin.download?.version ?? null, modules: pin.modules?.version ?? null },
  };
}

/** What a user will see on this machine and may wonder about. */
function notesFor(states: readonly ToolState[]): string[] {
  const plugins = states.filter(
    ({ pin, installed }) => pin.plugin !== undefined && installed?.source === "modules",
  );
  if (plugins.length === 0) return [];
  const which = plugins
    .map(
      ({ pin, installed }) =>
        `${pin.plugin ?? ""} ${installed?.version ?? ""} for SDK ${pin.download?.version ?? ""}`,
    )
    .join(", ");
  return [
    `Pulumi warns "using pulumi-resource-... from $PATH": these plugins were built from their Go modules and are not installed under a version they are not (${which}); both work with the resources used here`,
  ];
}
