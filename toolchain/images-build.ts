/** Builds one image from its recipe: gathers the context, hashes it, runs `podman build`. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { copyFile, cp, link, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { aptConfig, type Base } from "./images-base.ts";
import { podman, recipeLabel, sourceLabel } from "./images-podman.ts";
import { imageName, type ImageRecipe } from "./images-recipes.ts";
import type { ImageContext } from "./types.ts";

/** Where the project's files are and what images start from. */
export interface BuildInputs {
  readonly project: string;
  /** Name of the base image. */
  readonly baseImage: string;
  /** Absent where the base was pulled: then only images without `fromBase` can be built. */
  readonly base?: Base;
}

/** Digests of large files by path, size and time of change, so that a warm call reads none of them. */
export type Digests = Record<string, string>;

/** The hash of everything that goes into an image. */
export async function recipeHash(
  context: ImageContext,
  inputs: BuildInputs,
  recipe: ImageRecipe,
  digests: Digests,
): Promise<string> {
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify({ recipe, base: inputs.base?.hash ?? inputs.baseImage, arch: context.machine.arch }),
  );
  const own = [
    recipe.containerfile,
    ...recipe.files,
    ...(recipe.source === undefined ? [] : [recipe.source]),
  ];
  for (const path of own) {
    for (const file of await filesBelow(join(inputs.project, path))) {
      const { mode } = await stat(file);
      hash
        .update(`\0${relative(inputs.project, file)}\0${String(mode & 0o111)}\0`)
        .update(await readFile(file));
    }
  }
  for (const tool of recipe.tools) {
    for (const file of await filesBelow(context.toolPath(tool))) {
      hash.update(`\0${tool}/${basename(file)}\0${await digestOf(file, digests)}`);
    }
  }
  return hash.digest("hex").slice(0, 32);
}

/** Builds the image under its name, with its recipe and what it holds as labels. */
export async function buildImage(
  context: ImageContext,
  inputs: BuildInputs,
  recipe: ImageRecipe,
  hash: string,
): Promise<void> {
  const { cache, reporter } = context;
  const name = imageName(recipe.key);
  const task = reporter.start(`image ${name}`, recipe.expectedSeconds);
  const folder = join(cache, "images");
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, `build-${recipe.key}-`));
  try {
    const directory = join(work, "context");
    await gatherContext(context, inputs, recipe, directory);
    const apt = join(work, "90machine");
    await writeFile(apt, await aptSettings());
    const output: string[] = [];
    const args = [
      "build",
      `--layers=${String(recipe.layers)}`,
      "--network=host",
      `--volume=${apt}:/etc/apt/apt.conf.d/90machine:ro`,
      `--file=${join(inputs.project, recipe.containerfile)}`,
      ...(recipe.onBase ? [`--build-arg=BASE=${inputs.baseImage}`, "--pull=never"] : []),
      `--label=${recipeLabel}=${hash}`,
      `--label=${sourceLabel}=${await contentOf(context, recipe)}`,
      `--tag=${name}`,
      directory,
    ];
    await podman(cache, args, (line) => {
      output.push(line);
      task.detail(line);
    });
    task.done();
  } catch (error) {
    task.fail(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function gatherContext(
  context: ImageContext,
  inputs: BuildInputs,
  recipe: ImageRecipe,
  directory: string,
): Promise<void> {
  // There also when nothing is in them, so that a Containerfile may copy what only some machines have.
  for (const folder of ["bin", "cni"]) await mkdir(join(directory, folder), { recursive: true });
  for (const path of recipe.files) {
    await cp(join(inputs.project, path), join(directory, path), { recursive: true });
  }
  for (const tool of recipe.tools) {
    const path = context.toolPath(tool);
    const isFolder = (await stat(path)).isDirectory();
    for (const file of await filesBelow(path)) {
      await place(file, isFolder ? join(directory, tool, basename(file)) : join(directory, "bin", tool));
    }
  }
  if (recipe.fromBase.length > 0) {
    if (inputs.base === undefined)
      throw new Error(`${recipe.key} takes files from a base image that was pulled`);
    await mkdir(join(directory, "base"));
    const members = recipe.fromBase.map((path) => `./${path}`);
    await execa("tar", ["-C", join(directory, "base"), "-xf", inputs.base.archive, ...members]);
  }
  if (recipe.source !== undefined) {
    const program = join(directory, "bin", basename(recipe.source, ".c"));
    await execa("cc", [
      "-static",
      "-Os",
      "-s",
      "-Wall",
      "-Werror",
      "-o",
      program,
      join(inputs.project, recipe.source),
    ]);
  }
}

/** A hard link where the file systems allow it: the programs are large. */
async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await link(from, to).catch(() => copyFile(from, to));
}

/** What the image holds, in words: the recipe's own, or what its main program says about itself. */
async function contentOf(context: ImageContext, { content }: ImageRecipe): Promise<string> {
  if (typeof content === "string") return content;
  const [tool, ...args] = content;
  const { stdout } = await execa(context.toolPath(tool), args);
  const said = stdout.split("\n").find((line) => line.trim() !== "") ?? "";
  return `${tool}: ${said.trim()}`;
}

/** How this machine's apt reaches its mirrors; for package installations during a build, never part of an image. */
async function aptSettings(): Promise<string> {
  return (await aptConfig())
    .split("\n")
    .filter((line) => /^Acquire::(?:https?|Check-|Retries|By-Hash)/u.test(line))
    .concat("")
    .join("\n");
}

async function filesBelow(path: string): Promise<readonly string[]> {
  if (!existsSync(path)) throw new Error(`${path} is missing, an image is made of it`);
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function digestOf(file: string, digests: Digests): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  const key = `${file}:${String(size)}:${String(mtimeMs)}`;
  const known = digests[key];
  if (known !== undefined) return known;
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return (digests[key] = hash.digest("hex"));
}
