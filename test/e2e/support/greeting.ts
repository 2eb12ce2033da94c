/** A small image of a text: what runs it says the text, and stays. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { images } from "../../../components/upstream/images.ts";
import { podman } from "./podman.ts";

/** Builds it on this machine, from the cluster's busybox: nothing is pulled. */
export async function buildGreeting(image: string, text: string): Promise<void> {
  // A file: of a pipe's end podman opens /dev/stdin again, which it cannot where that is a socket.
  const folder = mkdtempSync(join(tmpdir(), "homespan-greeting-"));
  try {
    const command = JSON.stringify(["sh", "-c", `echo ${text}; exec sleep 3600`]);
    writeFileSync(join(folder, "Containerfile"), `FROM ${images.busybox}\nCMD ${command}\n`);
    await podman(["build", "--pull=never", "--quiet", "--tag", image, folder]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
