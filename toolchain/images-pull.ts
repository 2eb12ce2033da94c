/** Pulls an image by the digest that is pinned, or by its tag and holds it to the digest that was seen first. */
import { join } from "node:path";
import { podman, storedImages } from "./images-podman.ts";
import { readJson, writeJson } from "./json.ts";
import type { ImagePins } from "./pins-images.ts";

/** Set to `true`, the digests of this run's pulls become the ones to hold to. */
const acceptVariable = "HOMESPAN_ACCEPT_CHANGED_IMAGES";

/** Name -> digest seen at the first pull; beside the images' folder, so that emptying that does not forget it. */
function lockPath(cache: string): string {
  return join(cache, "images.lock.json");
}

/**
 * @throws Error when the name's tag has moved since the first pull; the image is then no longer under that name.
 */
export async function pullImage(cache: string, name: string, pins: ImagePins): Promise<void> {
  const pinned = pins[name]?.digest;
  if (pinned === undefined) {
    await podman(cache, ["pull", "--quiet", name]);
    await holdToFirst(cache, name);
    return;
  }
  // Podman refuses a reference with both a tag and a digest.
  const reference = `${name.replace(/:[^:/]*$/u, "")}@${pinned}`;
  await podman(cache, ["pull", "--quiet", reference]);
  await podman(cache, ["tag", reference, name]);
}

/** Called under the images' lock: nobody else writes the file. */
async function holdToFirst(cache: string, name: string): Promise<void> {
  const seen = (await storedImages(cache)).get(name)?.digests ?? [];
  const [digest] = seen;
  if (digest === undefined) {
    throw new Error(
      `image ${name} must have a digest after it was pulled, got none; see: podman images --digests`,
    );
  }
  const first = await readFirstDigests(cache);
  const expected = first[name];
  if (expected !== undefined && seen.includes(expected)) return;
  if (expected !== undefined && process.env[acceptVariable] !== "true") {
    await podman(cache, ["rmi", name]);
    throw new Error(
      `image ${name} must be the one pulled first, ${expected}, got ${digest}: its tag has moved; ` +
        `when that is expected, run the same command once with ${acceptVariable}=true`,
    );
  }
  await writeJson(lockPath(cache), { ...first, [name]: digest });
}

async function readFirstDigests(cache: string): Promise<Readonly<Record<string, string>>> {
  return ((await readJson(lockPath(cache))) ?? {}) as Readonly<Record<string, string>>;
}
