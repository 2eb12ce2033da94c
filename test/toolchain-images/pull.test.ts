import {
  copyFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { podman, storedImages } from "../../toolchain/images-podman.ts";
import { pullImage } from "../../toolchain/images-pull.ts";

const name = "docker.io/headscale/headscale:1";
let folder: string;
let cache: string;

const isStored = async (): Promise<boolean> => (await storedImages(cache)).has(name);
const calls = (): string => readFileSync(join(folder, "store", "calls"), "utf8");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-pull-"));
  cache = join(folder, "cache");
  for (const path of ["cache", "store", "bin"]) mkdirSync(join(folder, path));
  writeFileSync(join(folder, "store", "calls"), "");
  copyFileSync(join(import.meta.dirname, "fake-podman.sh"), join(folder, "bin", "podman"));
  chmodSync(join(folder, "bin", "podman"), 0o755);
  vi.stubEnv("PATH", `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`);
  vi.stubEnv("FAKE_STORE", join(folder, "store"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe("an image without a pinned digest is held to the one seen first", () => {
  beforeEach(async () => {
    await pullImage(cache, name, {});
    await podman(cache, ["rmi", name]);
  });

  it("the same content is taken again", async () => {
    await pullImage(cache, name, {});
    expect(await isStored()).toBe(true);
  });

  it("another content under the same tag is refused and not kept, however often it is tried", async () => {
    vi.stubEnv("FAKE_DIGEST", "sha256:other");
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await expect(pullImage(cache, name, {})).rejects.toThrow(
        `image ${name} must be the one pulled first, sha256:first, got sha256:other: its tag has moved; ` +
          "when that is expected, run the same command once with HOMESPAN_ACCEPT_CHANGED_IMAGES=true",
      );
      expect(await isStored()).toBe(false);
    }
  });

  it("it is taken when told so, and is the one to hold to from then on", async () => {
    vi.stubEnv("FAKE_DIGEST", "sha256:other");
    vi.stubEnv("HOMESPAN_ACCEPT_CHANGED_IMAGES", "true");
    await pullImage(cache, name, {});
    vi.stubEnv("HOMESPAN_ACCEPT_CHANGED_IMAGES", "");
    await pullImage(cache, name, {});
    expect(await isStored()).toBe(true);
    vi.stubEnv("FAKE_DIGEST", "sha256:first");
    await expect(pullImage(cache, name, {})).rejects.toThrow("its tag has moved");
  });
});

it("an image with a pinned digest is pulled by it and gets the name with the tag", async () => {
  vi.stubEnv("FAKE_DIGEST", "sha256:moved");
  await pullImage(cache, name, { [name]: { digest: "sha256:pinned" } });
  expect(calls()).toBe(
    "pull --quiet docker.io/headscale/headscale@sha256:pinned\n" +
      `tag docker.io/headscale/headscale@sha256:pinned ${name}\n`,
  );
  expect((await storedImages(cache)).get(name)?.digests).toEqual(["sha256:pinned"]);
});
