/** The image of images/vm, built once for each version of its files. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { execa } from "execa";
import { cacheFolder } from "../../toolchain/folders.ts";
import { aptProxy, debianMirror } from "../../toolchain/images-base.ts";
import { baseRecipe } from "../../toolchain/images-recipes.ts";

const checkout = join(import.meta.dirname, "../..");
const source = join(checkout, "images/vm");

/** Where it is. The tools must be there: `./homespan toolchain --prepare --group guest`. */
export async function guestImage(): Promise<string> {
  const ignition = await toolPath("ignition");
  const folder = join(cacheFolder(), "vm-guest");
  const image = join(folder, `${await version(ignition)}.qcow2`);
  if (existsSync(image)) return image;
  await mkdir(folder, { recursive: true });
  const draft = `${image}.${String(process.pid)}.part`;
  try {
    const { suite } = baseRecipe;
    const args = [suite, await debianMirror("/etc/apt"), ignition, draft];
    await execa(join(source, "build"), args, { env: await aptProxy(), stdio: "inherit" });
    for (const old of readdirSync(folder).filter((name) => name.endsWith(".qcow2"))) {
      await rm(join(folder, old));
    }
    await rename(draft, image);
  } finally {
    await rm(draft, { force: true });
  }
  return image;
}

async function toolPath(name: string): Promise<string> {
  const { stdout } = await execa(join(checkout, "homespan"), ["toolchain", "--json"]);
  const { tools } = JSON.parse(stdout) as { tools: readonly { tool: string; path: string | null }[] };
  const path = tools.find(({ tool }) => tool === name)?.path;
  if (path === undefined || path === null) throw new Error(`${name} is not installed`);
  return path;
}

async function version(ignition: string): Promise<string> {
  // Its place in the cache tells one build of it from another.
  const hash = createHash("sha256").update(relative(cacheFolder(), ignition));
  const files = readdirSync(source, { recursive: true, withFileTypes: true }).filter((it) => it.isFile());
  for (const path of files.map((file) => join(file.parentPath, file.name)).sort()) {
    hash.update(relative(source, path)).update(await readFile(path));
  }
  return hash.digest("hex").slice(0, 16);
}
