/** An image of the cluster's busybox with a few lines of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { images } from "../../../components/upstream/images.ts";
import { podman } from "./podman.ts";

/** Builds it on this machine: nothing is pulled. `lines` are a Containerfile's, without FROM. */
export async function buildSmallImage(image: string, ...lines: readonly string[]): Promise<void> {
  // A file: of a pipe's end podman opens /dev/stdin again, which it cannot where that is a socket.
  const folder = mkdtempSync(join(tmpdir(), "homespan-image-"));
  try {
    writeFileSync(join(folder, "Containerfile"), [`FROM ${images.busybox}`, ...lines, ""].join("\n"));
    await podman(["build", "--pull=never", "--quiet", "--tag", image, folder]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
