/** Puts installed tools where they are looked for: `$CACHE/bin`, Pulumi's plugin cache, beside the CLI. */
import { randomBytes } from "node:crypto";
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { copyFile, link, mkdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { findCommand } from "./machine.ts";
import type { Installed, InstallContext } from "./install.ts";
import type { ToolPin } from "./pin-types.ts";

const LANGUAGE_HOST = "pulumi-language-nodejs";

/** Makes `$CACHE/bin`, and the places other programs look at, agree with what is installed. */
export async function linkTool(
  pin: ToolPin,
  installed: Installed | undefined,
  { cache, machine }: Pick<InstallContext, "cache" | "machine">,
): Promise<void> {
  const bin = join(cache, "bin");
  // An official plugin is found in Pulumi's plugin cache under its own version; on PATH Pulumi would warn.
  const onPath = installed !== undefined && !(pin.plugin !== undefined && installed.source === "download");
  for (const [name, file] of Object.entries(pin.links)) {
    const path = join(bin, name);
    if (onPath) await pointTo(path, relative(bin, join(installed.folder, file)));
    else if (isLink(path)) await rm(path, { force: true });
  }
  for (const [name, file] of Object.entries(pin.places ?? {})) {
    const place = join(cache, name.replaceAll("{os}", machine.platform).replaceAll("{arch}", machine.arch));
    if (installed !== undefined) await pointTo(place, relative(dirname(place), join(installed.folder, file)));
    else if (isLink(place)) await rm(place, { force: true });
  }
  if (pin.plugin !== undefined && installed?.source === "download") {
    await placePlugin(pin.plugin, installed, cache);
  }
}

/** Plugin folders carry the version in their name; what is put there is exactly that version. */
async function placePlugin(name: string, installed: Installed, cache: string): Promise<void> {
  const folder = join(cache, "pulumi-home", "plugins", `resource-${name}-v${installed.version}`);
  const file = join(folder, `pulumi-resource-${name}`);
  if (exists(file)) return;
  await mkdir(folder, { recursive: true });
  const source = join(installed.folder, `pulumi-resource-${name}`);
  const draft = `${file}.${randomBytes(4).toString("hex")}`;
  await link(source, draft).catch(() => copyFile(source, draft));
  await rename(draft, file);
}

/**
 * Gives Pulumi a Node language host where it has none.
 *
 * A host beside the CLI is taken without a word, one on PATH with a warning on every run: so ours goes beside the
 * CLI that Homespan built, and on PATH only when the CLI belongs to somebody else.
 */
export async function linkLanguageHost(
  pulumi: string,
  ours: string,
  cache: string,
  path: string = process.env["PATH"] ?? "",
): Promise<void> {
  const bin = join(cache, "bin");
  const onPath = join(bin, LANGUAGE_HOST);
  const folder = dirname(realpathSync(pulumi));
  const beside = join(folder, LANGUAGE_HOST);
  const own = folder.startsWith(realpathSync(cache));
  const official =
    findCommand(LANGUAGE_HOST, path, [bin]) !== undefined ||
    (exists(beside) && !isLink(beside)) ||
    (!own && exists(beside));
  if (!official && own) await pointTo(beside, ours);
  if (!official && !own) await pointTo(onPath, ours);
  else if (isLink(onPath)) await rm(onPath, { force: true });
}

/** Replaces a link in one step; other processes see the old one or the new one. */
async function pointTo(path: string, target: string): Promise<void> {
  if (isLink(path) && readlinkSync(path) === target) return;
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomBytes(4).toString("hex")}`;
  await symlink(target, draft);
  await rename(draft, path);
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
