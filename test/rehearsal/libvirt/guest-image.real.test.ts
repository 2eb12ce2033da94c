/** That an image signed once is taken with its key's fingerprint, and with no other: the real gpg and gpgv. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { flatcarImage } from "../../../components/render/flatcar-image.ts";
import { runProcess } from "../../../provider/effects/process.ts";
import { CachedVmImages } from "../../../provider/effects/vm-images.ts";
import { signOnce } from "../../../rehearsal/libvirt/guest-image.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-signed-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A mirror that is a folder. */
const fromFolder = (async (url: string) =>
  new Response(readFileSync(join(folder, url.split("/").at(-1) ?? "")))) as typeof fetch;

test("it is taken with its own key's fingerprint, and with Flatcar's it is not", async () => {
  const image = join(folder, "flatcar_production_qemu_image.img");
  writeFileSync(image, "an image");
  const key = join(folder, "Flatcar_Image_Signing_Key.asc");
  const fingerprint = await signOnce(image, `${image}.sig`, key);
  expect(readFileSync(key, "utf8")).toMatch(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/);
  const sha256 = createHash("sha256").update("an image").digest("hex");
  const release = {
    ...{ channel: "stable" as const, version: "4230.2.3", sha256 },
    mirrors: ["http://router/flatcar/1"],
  };
  const images = new CachedVmImages(runProcess, join(folder, "store"), fromFolder);
  const signal = AbortSignal.timeout(60_000);
  expect(await images.obtain(flatcarImage({ ...release, fingerprint }), signal)).toMatchObject({ bytes: 8 });
  await expect(images.obtain(flatcarImage(release), signal)).rejects.toThrow(
    /the image must have a signature of F88CFEDE/,
  );
});
