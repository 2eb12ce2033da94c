/**
 * Which steward image is under the steward's name in Podman's store: the hash of the recipe it was built from. The
 * name stays the same from build to build, so a stack that knew nothing else would keep its nodes on an older build.
 */
import { readFileSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheFolder } from "./folders.ts";

function revisionPath(cache: string): string {
  return join(cache, "images", "steward.revision");
}

/** Undefined where the toolchain has not made the image. Reads one small file, so that a preview needs no Podman. */
export function stewardRevision(cache: string = cacheFolder()): string | undefined {
  try {
    return readFileSync(revisionPath(cache), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Records what is in the store now. */
export async function recordStewardRevision(cache: string, revision: string): Promise<void> {
  if (stewardRevision(cache) === revision) return;
  const path = revisionPath(cache);
  const partial = `${path}.${String(process.pid)}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(partial, `${revision}\n`);
  await rename(partial, path);
}
