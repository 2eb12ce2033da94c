/**
 * The container images of a cluster: pulled from their registries, or built on this machine under the same names.
 * A warm call is one question to Podman.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  baseImages,
  clusterImages,
  images,
  optionalImages,
  type ImageKey,
} from "../components/upstream/images.ts";
import { baseOf, prepareBase } from "./images-base.ts";
import { buildImage, recipeHash, type BuildInputs, type Digests } from "./images-build.ts";
import { podman, recipeLabel, storedImages, type StoredImage } from "./images-podman.ts";
import { pullImage } from "./images-pull.ts";
import {
  imageName,
  machineRecipe,
  registryRecipe,
  standInRecipes,
  stewardRecipe,
  type ImageRecipe,
} from "./images-recipes.ts";
import { withLock } from "./locks.ts";
import { imagePins, type ImagePins } from "./pins-images.ts";
import { recordStewardRevision } from "./steward-revision.ts";
import type { ImageContext, ImageRow } from "./types.ts";

const project = join(import.meta.dirname, "..");

/** Where the archives are that a cluster without a registry loads, for the environment variable HOMESPAN_CLUSTER_IMAGES. */
export function clusterImagesFolder(cache: string): string {
  return join(cache, "images", "cluster");
}

/** What is there and what has to be made. */
interface Plan {
  readonly stored: ReadonlyMap<string, StoredImage>;
  readonly pull: readonly string[];
  readonly build: readonly { readonly recipe: ImageRecipe; readonly hash: string }[];
  readonly save: readonly ImageKey[];
}

/**
 * Makes sure that every image is in Podman's store and, where images are built, that those for pods are archived.
 * Safe to call from two processes at once: one works, the other waits and finds everything done.
 */
export async function prepareImages(context: ImageContext, pins: ImagePins = imagePins): Promise<ImageRow[]> {
  const folder = join(context.cache, "images");
  await mkdir(folder, { recursive: true });
  const digests = await readDigests(folder);
  let plan = await makePlan(context, digests, pins);
  if (isWork(plan)) {
    plan = await withLock(folder, "images", async () => {
      const current = await makePlan(context, digests, pins);
      if (isWork(current)) await carryOut(context, current, pins);
      await writeAtomically(join(folder, "digests.json"), JSON.stringify(digests));
      return makePlan(context, digests, pins);
    });
  }
  const steward = plan.stored.get(images.steward)?.recipe;
  if (steward !== undefined) await recordStewardRevision(context.cache, steward);
  return Object.values(images).map((name) => row(context, name, plan.stored));
}

/**
 * Makes sure that the machines of a rehearsal have their image. After {@link prepareImages}, which has its base; made only
 * when it is asked for, so that nobody else waits for it.
 */
export async function prepareRehearsalImages(context: ImageContext): Promise<ImageRow[]> {
  return [await ensureBuilt(context, machineRecipe(context.online))];
}

/** Makes sure that the registry of a cluster has its image, pulled or built. After {@link prepareImages}, as it is built on its base. */
export async function prepareRegistryImage(
  context: ImageContext,
  pins: ImagePins = imagePins,
): Promise<ImageRow> {
  const { cache, online } = context;
  if (!online) return ensureBuilt(context, registryRecipe);
  const name = optionalImages.registry;
  const isThere = async (): Promise<boolean> =>
    isPulled((await storedImages(cache)).get(name), pins[name]?.digest);
  if (!(await isThere())) {
    await withLock(join(cache, "images"), "images", async () => {
      if (!(await isThere())) await pull(context, name, pins);
    });
  }
  return row(context, name, await storedImages(cache));
}

/** Builds an image of those that not everybody needs, when what is in the store is of another recipe. */
async function ensureBuilt(context: ImageContext, recipe: ImageRecipe): Promise<ImageRow> {
  const folder = join(context.cache, "images");
  const name = imageName(recipe.key);
  const digests = await readDigests(folder);
  const hash = await recipeHash(context, inputsOf(context), recipe, digests);
  const isThere = async (): Promise<boolean> =>
    (await storedImages(context.cache)).get(name)?.recipe === hash;
  if (!(await isThere())) {
    await withLock(folder, "images", async () => {
      if (await isThere()) return;
      await buildImage(context, inputsOf(context), recipe, hash);
      await removeReplaced(context.cache);
    });
  }
  return row(context, name, await storedImages(context.cache));
}

function isWork({ pull, build, save }: Plan): boolean {
  return pull.length + build.length + save.length > 0;
}

async function makePlan(context: ImageContext, digests: Digests, pins: ImagePins): Promise<Plan> {
  const { cache, online } = context;
  const recipes = online ? [stewardRecipe] : [...standInRecipes, stewardRecipe];
  // Files are read while Podman starts.
  const [stored, hashed] = await Promise.all([
    storedImages(cache),
    Promise.all(
      recipes.map(async (recipe) => ({
        recipe,
        hash: await recipeHash(context, inputsOf(context), recipe, digests),
      })),
    ),
  ]);
  const pulled = online ? [...standInRecipes.map(({ key }) => imageName(key)), baseImages.registry] : [];
  const build = hashed.filter(({ recipe, hash }) => stored.get(imageName(recipe.key))?.recipe !== hash);
  const save = online ? [] : clusterImages.filter((key) => !isSaved(cache, key, stored));
  return {
    stored,
    pull: pulled.filter((name) => !isPulled(stored.get(name), pins[name]?.digest)),
    build,
    save,
  };
}

/** A stand-in under a registry's name is not what the registry has, nor is another content than the pinned one. */
function isPulled(image: StoredImage | undefined, pinned: string | undefined): boolean {
  if (image === undefined || image.recipe !== undefined) return false;
  return pinned === undefined || image.digests.includes(pinned);
}

function inputsOf({ cache, machine, online }: ImageContext): BuildInputs {
  if (online) return { project, baseImage: baseImages.registry };
  return { project, baseImage: baseImages.built, base: baseOf(cache, machine.arch) };
}

async function carryOut(context: ImageContext, plan: Plan, pins: ImagePins): Promise<void> {
  const { cache, online } = context;
  for (const name of plan.pull) await pull(context, name, pins);
  if (!online) await prepareBase(context, plan.stored);
  for (const { recipe, hash } of plan.build) {
    await buildImage(context, inputsOf(context), recipe, hash);
  }
  if (!online) await saveClusterImages(cache);
  await removeReplaced(cache);
}

async function pull({ cache, reporter }: ImageContext, name: string, pins: ImagePins): Promise<void> {
  const task = reporter.start(`image ${name}`);
  try {
    await pullImage(cache, name, pins);
    task.done();
  } catch (error) {
    task.fail(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Removes images of ours that lost their name to a newer build; one that a container still uses stays until then. */
async function removeReplaced(cache: string): Promise<void> {
  const filters = ["--filter=dangling=true", `--filter=label=${recipeLabel}`];
  const ids = await podman(cache, ["images", "--quiet", "--no-trunc", ...filters]);
  for (const id of new Set(ids.split("\n").filter((line) => line !== ""))) {
    await podman(cache, ["rmi", id]).catch(() => undefined);
  }
}

/** Archives what pods need; beside each archive, outside k3s's folder, stands the id of the image it holds. */
async function saveClusterImages(cache: string): Promise<void> {
  const stored = await storedImages(cache);
  const folder = clusterImagesFolder(cache);
  await mkdir(folder, { recursive: true });
  for (const key of clusterImages) {
    const image = stored.get(images[key]);
    if (image === undefined || isSaved(cache, key, stored)) continue;
    const partial = join(dirname(folder), `${key}.partial`);
    await rm(partial, { force: true });
    await podman(cache, ["save", "--quiet", "--format=docker-archive", `--output=${partial}`, images[key]]);
    await rename(partial, archivePath(cache, key));
    await writeAtomically(savedPath(cache, key), image.id);
  }
}

function archivePath(cache: string, key: ImageKey): string {
  return join(clusterImagesFolder(cache), `${key}.tar`);
}

function savedPath(cache: string, key: ImageKey): string {
  return join(cache, "images", `${key}.saved`);
}

function isSaved(cache: string, key: ImageKey, stored: ReadonlyMap<string, StoredImage>): boolean {
  const image = stored.get(images[key]);
  if (image === undefined || !existsSync(archivePath(cache, key)) || !existsSync(savedPath(cache, key)))
    return false;
  return readFileSync(savedPath(cache, key), "utf8") === image.id;
}

function row(
  { cache, online }: ImageContext,
  name: string,
  stored: ReadonlyMap<string, StoredImage>,
): ImageRow {
  const image = stored.get(name);
  const archived = clusterImages.find((key) => images[key] === name);
  return {
    name,
    source: image?.recipe === undefined ? "registry" : "built",
    path: online || archived === undefined ? null : archivePath(cache, archived),
    size: image?.size ?? null,
  };
}

async function readDigests(folder: string): Promise<Digests> {
  try {
    return JSON.parse(await readFile(join(folder, "digests.json"), "utf8")) as Digests;
  } catch {
    // A cache: without it, or when it is damaged, the files are read again.
    return {};
  }
}

async function writeAtomically(path: string, text: string): Promise<void> {
  const partial = `${path}.${String(process.pid)}`;
  await writeFile(partial, text);
  await rename(partial, path);
}
