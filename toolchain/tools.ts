/** Decides which tools a run needs, and makes those that are missing. */
import { goCaches } from "./folders.ts";
import { fetchAhead, findInstalled, installTool, removeDownloads } from "./install.ts";
import type { Installed, InstallContext } from "./install.ts";
import { linkTool } from "./links.ts";
import { diskFreeBytes } from "./machine.ts";
import { findOnPath } from "./on-path.ts";
import type { FoundOnPath } from "./on-path.ts";
import type { ToolPin } from "./pin-types.ts";
import { offers, platformOf } from "./recipe.ts";
import type { MakeSource } from "./recipe.ts";
import type { SourceSetting } from "./reach.ts";
import type { Group } from "./types.ts";

const GIB = 2 ** 30;
/** What all downloads together take, unpacked. */
export const DOWNLOAD_GIB = 2;
/** Downloads at a time. */
const PARALLEL = 4;

/** A tool with where it is, if it is anywhere. */
export interface ToolState {
  readonly pin: ToolPin;
  readonly installed: Installed | undefined;
  readonly onPath: FoundOnPath | undefined;
}

export interface ToolContext extends InstallContext {
  readonly setting: SourceSetting;
  /** Asked only when something is missing. */
  readonly chooseSource: () => Promise<MakeSource>;
  /** Called before the first build from modules: it needs a compiler and headers. */
  readonly beforeBuilding: () => Promise<void>;
}

/** Where tools made earlier are looked for, in this order. */
export function sourcesOf(setting: SourceSetting): readonly MakeSource[] {
  return setting === "auto" ? ["download", "modules"] : [setting];
}

export function availablePins(pins: readonly ToolPin[], context: Pick<InstallContext, "machine">): ToolPin[] {
  const platform = platformOf(context.machine);
  return pins.filter((pin) => offers(pin, "download", platform) || offers(pin, "modules", platform));
}

export async function toolState(
  pin: ToolPin,
  context: Pick<ToolContext, "cache" | "machine" | "setting" | "environment">,
): Promise<ToolState> {
  return {
    pin,
    installed: findInstalled(pin, sourcesOf(context.setting), context.cache, context.machine),
    onPath: await findOnPath(pin, context.cache, context.environment["PATH"]),
  };
}

/**
 * The tools that are needed. Tools for images count only where images are built here, and the programs that an
 * official k3s carries only where k3s was built from its module.
 */
export function neededPins(
  pins: readonly ToolPin[],
  groups: readonly Group[],
  buildsImages: boolean,
): ToolPin[] {
  return pins.filter((pin) => groups.includes(pin.group) && (pin.use === "host" || buildsImages));
}

/** Makes every needed tool that is missing, and links all of them. Returns where each one is. */
export async function ensureTools(pins: readonly ToolPin[], context: ToolContext): Promise<ToolState[]> {
  const states = await Promise.all(availablePins(pins, context).map((pin) => toolState(pin, context)));
  const isMissing = (state: ToolState): boolean =>
    state.installed === undefined && state.onPath === undefined;
  const missing = states.filter(isMissing).map((state) => state.pin);
  if (missing.length > 0) {
    const made = await makeTools(missing, states, context);
    for (const [index, state] of states.entries()) {
      const installed = made.get(state.pin.name);
      if (installed !== undefined) states[index] = { ...state, installed };
    }
  }
  for (const { pin, installed, onPath } of states) {
    await linkTool(pin, onPath === undefined ? installed : undefined, context);
  }
  return states;
}

async function makeTools(
  missing: readonly ToolPin[],
  states: readonly ToolState[],
  context: ToolContext,
): Promise<Map<string, Installed>> {
  const made = new Map<string, Installed>();
  const platform = platformOf(context.machine);
  const source = await context.chooseSource();
  const toDownload = missing.filter(
    (pin) =>
      offers(pin, "download", platform) && (source === "download" || !offers(pin, "modules", platform)),
  );
  checkDisk(toDownload.length > 0 ? DOWNLOAD_GIB : 0, "downloads", context.cache);
  const failed = await downloadAll(toDownload, made, context);
  const carriedBy = (pin: ToolPin): boolean => {
    const carrier = pin.includedIn;
    if (carrier === undefined) return false;
    const state = states.find((candidate) => candidate.pin.name === carrier);
    return (made.get(carrier) ?? state?.installed)?.source === "download";
  };
  const toBuild = missing.filter(
    (pin) => !carriedBy(pin) && (failed.includes(pin) || !toDownload.includes(pin)),
  );
  if (toBuild.length > 0) await buildAll(toBuild, made, context);
  await removeDownloads(toDownload, context);
  return made;
}

/** Downloads what can be downloaded; returns what must be built instead. */
async function downloadAll(
  pins: readonly ToolPin[],
  made: Map<string, Installed>,
  context: ToolContext,
): Promise<ToolPin[]> {
  const failed: ToolPin[] = [];
  const queue = [...pins];
  const worker = async (): Promise<void> => {
    for (let pin = queue.shift(); pin !== undefined; pin = queue.shift()) {
      try {
        await make(pin, "download", made, context);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (context.setting === "download" || !offers(pin, "modules", platformOf(context.machine))) {
          throw new Error(`\`${pin.name}\` cannot be installed: ${reason}`, { cause: error });
        }
        context.reporter.note(`${pin.name}: building it from its Go module instead (${reason})`);
        failed.push(pin);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return failed;
}

/** One after another: each build uses every core already. Downloads wait for the network alone, so they run ahead. */
async function buildAll(
  pins: readonly ToolPin[],
  made: Map<string, Installed>,
  context: ToolContext,
): Promise<void> {
  const names = pins.map((pin) => pin.name).join(", ");
  checkDisk(buildSpace(pins), `building ${names} from Go modules`, context.cache);
  await context.beforeBuilding();
  const stop = new AbortController();
  const ahead = fetchAhead(pins.slice(1), context, stop.signal);
  try {
    for (const pin of pins) await make(pin, "modules", made, context);
  } finally {
    stop.abort();
    await ahead;
  }
}

/** GiB that building the tools from their Go modules may take, the tools themselves included. */
export function buildSpace(pins: readonly ToolPin[]): number {
  // Each pin counts what it takes alone; all of them together share much of it.
  const alone = pins.map((pin) => pin.modules?.cacheGiB ?? 0);
  const sum = alone.reduce((total, gib) => total + gib, 1);
  return Math.max(Math.min(sum, goCaches.gib + 2), ...alone);
}

/** Links each tool as soon as it is there: a run that is interrupted leaves what it made usable. */
async function make(
  pin: ToolPin,
  source: MakeSource,
  made: Map<string, Installed>,
  context: ToolContext,
): Promise<void> {
  const installed = await installTool(pin, source, context);
  await linkTool(pin, installed, context);
  made.set(pin.name, installed);
}

/** Stops before the work that would fill the disk. */
function checkDisk(neededGiB: number, purpose: string, cache: string): void {
  if (neededGiB === 0) return;
  const free = diskFreeBytes(cache) / GIB;
  if (free >= neededGiB) return;
  throw new Error(
    `free space at ${cache} must be at least ${neededGiB.toFixed(1)} GiB for ${purpose}, got ${free.toFixed(1)} GiB; free some, or set HOMESPAN_CACHE to a folder on a larger disk`,
  );
}
