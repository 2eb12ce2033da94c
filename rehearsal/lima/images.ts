/** The images that Lima would download, as if it had: with their sums, and nothing in them, since machines here have an image of their own. */
import { createHash } from "node:crypto";
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type LimaImage, limaImages } from "../../components/upstream/lima.ts";

/** What a disk has at least. */
const emptyBytes = 1024 ** 2;

/**
 * Puts every image of this project's into Lima's cache. Another one is downloaded by Lima itself, or cannot be had.
 *
 * https://github.com/lima-vm/lima/blob/v2.2.0/pkg/downloader/downloader.go: what is there with its digest is not read again
 */
export async function fillImageCache(cache: string): Promise<void> {
  const images: readonly LimaImage[] = Object.values(limaImages).flat();
  for (const { location, sha256 } of images) {
    const folder = join(
      cache,
      "download",
      "by-url-sha256",
      createHash("sha256").update(location).digest("hex"),
    );
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "url"), location);
    await writeFile(join(folder, "sha256.digest"), `sha256:${sha256}`);
    await writeFile(join(folder, "data"), "");
    await truncate(join(folder, "data"), emptyBytes);
  }
}
