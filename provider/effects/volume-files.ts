/**
 * Files written straight into a volume's directory on this machine, as the steward's `receive` puts them in place: each in
 * one step, with its mode, and last what others wait for. A program in a container for it costs a third of a second.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { type ArchivedFile, writeArchive } from "./archive.ts";
import type { Podman } from "./podman.ts";

/** In this order at the end: the join layer is complete, the machine may log in, the steward may begin. */
const LAST = ["join.conf", "secrets/authkey", "steward/node.conf"];

/**
 * Path -> sha256 of what was written.
 *
 * @throws before anything is written when a path leads outside the directory; what runs on the node can make links there.
 */
export async function writeVolumeFiles(
  directory: string,
  files: readonly ArchivedFile[],
): Promise<Record<string, string>> {
  const rank = ({ path }: ArchivedFile): number => LAST.indexOf(path);
  const ordered = files.toSorted((a, b) => rank(a) - rank(b));
  const root = await realpath(directory);
  for (const { path } of ordered) await prepare(root, path);
  const sums: Record<string, string> = {};
  for (const { path, content, mode } of ordered) {
    const target = join(root, path);
    const made = `${target}.new`;
    try {
      await rm(made, { force: true });
      await writeFile(made, content, { mode, flag: "wx" });
      // The process's mask does not decide.
      await chmod(made, mode);
      await rename(made, target);
    } catch (error) {
      await rm(made, { force: true });
      throw error;
    }
    sums[path] = createHash("sha256").update(content).digest("hex");
  }
  return sums;
}

/** Puts files on a volume that nothing uses yet. */
export async function fillVolume(
  podman: Podman,
  name: string,
  files: readonly ArchivedFile[],
): Promise<void> {
  const directory = await volumeDirectory(podman, name);
  if (directory !== undefined) await writeVolumeFiles(directory, files);
  else await podman.command(["volume", "import", name, "-"], { input: await writeArchive(files) });
}

/** Where a volume's files are on this machine; `undefined` when Podman runs on another, or there is no such volume. */
export async function volumeDirectory(podman: Podman, name: string): Promise<string | undefined> {
  const found = (await podman.list("volumes")).find((volume) => volume.name === name)?.mountpoint;
  return found !== undefined && found !== "" && existsSync(found) ? found : undefined;
}

/** Directories of secrets stay closed, others are read by children that do not run as root. */
async function prepare(root: string, path: string): Promise<void> {
  const parent = dirname(join(root, path));
  const outside = new Error(`\`path\` must stay below the data directory, got ${JSON.stringify(path)}`);
  if (!`${parent}${sep}`.startsWith(`${root}${sep}`)) throw outside;
  // The nearest directory that is there decides where the others are made.
  let there = parent;
  while (there !== root && !(await exists(there))) there = dirname(there);
  if (!`${await realpath(there)}${sep}`.startsWith(`${root}${sep}`)) throw outside;
  const mode = path.startsWith("secrets/") ? 0o700 : 0o755;
  const first = await mkdir(parent, { recursive: true, mode });
  if (first !== undefined) await chmod(parent, mode);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
