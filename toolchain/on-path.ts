/** Tools the user has already: used when they are new enough. */
import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { readJson, writeJson } from "./json.ts";
import { findCommand } from "./machine.ts";
import type { ToolPin } from "./pin-types.ts";
import { compareVersions } from "./recipe.ts";

const CHECKOUT = dirname(dirname(fileURLToPath(import.meta.url)));

export interface FoundOnPath {
  readonly path: string;
  readonly version: string;
  readonly size: number;
}

/**
 * The pinned program on PATH, when it is at least as new as the pin. Programs of this project (its cache, its
 * checkout, another checkout whose `./homespan env` the shell evaluated) do not count. Its version is remembered until the
 * file changes: asking costs a tenth of a second.
 */
export async function findOnPath(
  pin: ToolPin,
  cache: string,
  path: string = process.env["PATH"] ?? "",
): Promise<FoundOnPath | undefined> {
  const least = pin.modules?.version ?? pin.download?.version;
  if (pin.onPath === undefined || least === undefined) return undefined;
  const own = path.split(":").filter((folder) => isOurs(folder, cache));
  const found = findCommand(pin.onPath, path, own);
  if (found === undefined || isOurs(found, cache)) return undefined;
  const { size, mtimeMs } = statSync(found);
  const version = await versionOf(found, `${String(size)}:${String(mtimeMs)}`, cache);
  return version !== undefined && compareVersions(version, least) >= 0
    ? { path: found, version, size }
    : undefined;
}

function isOurs(path: string, cache: string): boolean {
  const real = realOf(path);
  const inside = [realOf(cache), realOf(CHECKOUT)].some(
    (root) => real === root || real.startsWith(`${root}/`),
  );
  return inside || isWrapperFolder(real);
}

/** `cli/path` of whichever checkout: its `pulumi` looks for the real one itself, and would find nothing but what took it for real. */
function isWrapperFolder(folder: string): boolean {
  return folder.endsWith("/cli/path") && existsSync(join(folder, "../../toolchain/on-path.ts"));
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

async function versionOf(program: string, identity: string, cache: string): Promise<string | undefined> {
  const memory = join(cache, "path-tools.json");
  const known = ((await readJson(memory)) ?? {}) as Record<string, { identity: string; version: string }>;
  const entry = known[program];
  if (entry?.identity === identity) return entry.version;
  const { stdout, failed } = await execa(program, ["version"], { reject: false, timeout: 10_000 });
  const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0];
  if (failed || version === undefined) return undefined;
  await writeJson(memory, { ...known, [program]: { identity, version } });
  return version;
}
