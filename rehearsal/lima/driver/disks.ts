/** Lima's disks, which belong to one virtual machine at a time, as its own drivers hold them. */
import { randomBytes } from "node:crypto";
import { lstat, readFile, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** A disk that is held. */
export interface HeldDisk {
  readonly name: string;
  /** Another one for another disk of the name. */
  readonly id: string;
}

/** In the directory of a disk, which `limactl disk delete` removes as a whole. */
const idFile = "rehearsed.id";

/**
 * Holds a disk for an instance, as vz's `attachDisks` does.
 *
 * @param instance - directory of the instance, in LIMA_HOME
 * @throws Error in Lima's words when there is none of the name, or another instance has it
 */
export async function holdDisk(instance: string, name: string): Promise<HeldDisk> {
  const folder = join(dirname(instance), "_disks", name);
  await lstat(join(folder, "datadisk")).catch((error: unknown) => {
    throw new Error(`failed to run load disk \`${name}\`: ${String(error)}`);
  });
  const link = join(folder, "in_use_by");
  const holder = await readlink(link).catch(() => undefined);
  if (holder !== undefined && holder !== instance) {
    throw new Error(`failed to attach disk \`${name}\`: in use by instance \`${basename(holder)}\``);
  }
  if (holder === undefined) await symlink(instance, link);
  return { name, id: await identityOf(folder) };
}

/** Lets it go; Lima itself does so when it stops a machine. */
export async function releaseDisk(instance: string, name: string): Promise<void> {
  const link = join(dirname(instance), "_disks", name, "in_use_by");
  if ((await readlink(link).catch(() => undefined)) === instance) await rm(link, { force: true });
}

async function identityOf(folder: string): Promise<string> {
  const file = join(folder, idFile);
  const known = (await readFile(file, "utf8").catch(() => "")).trim();
  if (known !== "") return known;
  const id = randomBytes(8).toString("hex");
  await writeFile(`${file}.new`, `${id}\n`);
  await rename(`${file}.new`, file);
  return id;
}
