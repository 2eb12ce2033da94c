/** The Debian base of the images, made with debootstrap where none can be pulled. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { createHash } from "node:crypto";
import { execa } from "execa";
import { baseImages } from "../components/upstream/images.ts";
import { withoutRoot } from "./machine.ts";
import { podman, recipeLabel, sourceLabel, type StoredImage } from "./images-podman.ts";
import { baseRecipe } from "./images-recipes.ts";
import type { ImageContext } from "./types.ts";

/** The base image and the archive it comes from. */
export interface Base {
  readonly hash: string;
  readonly archive: string;
}

/** Where the archive of this recipe is, made or not. */
export function baseOf(cache: string, arch: string): Base {
  const hash = createHash("sha256").update(JSON.stringify({ baseRecipe, arch })).digest("hex").slice(0, 32);
  return { hash, archive: join(cache, "images", `base-${hash}.tar`) };
}

/** Makes the archive and imports the image, each only when it is missing. */
export async function prepareBase(
  context: ImageContext,
  stored: ReadonlyMap<string, StoredImage>,
): Promise<Base> {
  const { cache, machine, reporter } = context;
  const base = baseOf(cache, machine.arch);
  if (!existsSync(base.archive)) {
    if (withoutRoot(machine)) throw new Error(needsRoot(base.archive));
    const task = reporter.start("Debian base image", baseRecipe.expectedSeconds);
    try {
      await makeArchive(base.archive, machine.arch, (text) => {
        task.detail(text);
      });
      task.done();
    } catch (error) {
      task.fail(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }
  if (stored.get(baseImages.built)?.recipe !== base.hash) {
    const changes = [
      `ENV ${baseRecipe.environment}`,
      `CMD ["/bin/sh"]`,
      `LABEL ${recipeLabel}=${base.hash}`,
      `LABEL ${sourceLabel}=debootstrap`,
    ];
    await podman(cache, [
      "import",
      "--quiet",
      ...changes.flatMap((change) => ["--change", change]),
      base.archive,
      baseImages.built,
    ]);
  }
  return base;
}

/** Names the way on: the archive is the same whoever makes it. */
function needsRoot(archive: string): string {
  const made = "/var/tmp/homespan-base";
  return (
    "the Debian base of the images must be made by root where no image registry is reached (debootstrap), this is another user; " +
    `fix, once: sudo env HOMESPAN_CACHE=${made} ./homespan toolchain --prepare --yes && ` +
    `install -D -m 0644 ${made}/images/${basename(archive)} ${archive}`
  );
}

async function makeArchive(archive: string, arch: string, detail: (text: string) => void): Promise<void> {
  await mkdir(join(archive, ".."), { recursive: true });
  const work = await mkdtemp(join(archive, "..", "base-"));
  const root = join(work, "root");
  const packages = baseRecipe.packages.join(",");
  try {
    const mirror = await debianMirror("/etc/apt");
    const made = execa(
      "debootstrap",
      ["--variant=minbase", `--arch=${arch}`, `--include=${packages}`, baseRecipe.suite, root, mirror],
      { env: await aptProxy(), stdin: "ignore", reject: false, all: true },
    );
    const last: string[] = [];
    for await (const line of made.iterable({ from: "all" as const })) {
      const text = line.replace(/^[IWE]: /u, "");
      detail(text);
      last.push(text);
      if (last.length > 5) last.shift();
    }
    if ((await made).failed) throw new Error(`debootstrap of ${baseRecipe.suite} failed: ${last.join("\n")}`);
    detail("packing");
    const file = join(work, "base.tar");
    await execa("tar", [
      "-C",
      root,
      ...baseRecipe.excluded.map((path) => `--exclude=${path}`),
      "-cf",
      file,
      ".",
    ]);
    await rename(file, archive);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The mirror this machine's own apt takes the suite from, else Debian's. */
export async function debianMirror(aptDirectory: string): Promise<string> {
  const folder = join(aptDirectory, "sources.list.d");
  const names = existsSync(folder) ? (await readdir(folder)).sort() : [];
  const files = [join(aptDirectory, "sources.list"), ...names.map((name) => join(folder, name))];
  for (const file of files) {
    if (!existsSync(file)) continue;
    const mirror = mirrorIn(await readFile(file, "utf8"), baseRecipe.suite);
    if (mirror !== undefined) return mirror;
  }
  return baseRecipe.mirror;
}

/** The first http(s) mirror in a sources file, in either of apt's formats, that offers exactly `suite`. */
export function mirrorIn(text: string, suite: string): string | undefined {
  for (const line of text.split("\n")) {
    const [, uri, found] = /^deb\s+(?:\[[^\]]*\]\s+)?(https?:\S+)\s+(\S+)\s/u.exec(line) ?? [];
    if (found === suite) return uri;
  }
  for (const stanza of text.split(/\n\s*\n/u)) {
    const field = (name: string): readonly string[] =>
      (new RegExp(`^${name}:(.*)$`, "mu").exec(stanza)?.[1] ?? "").trim().split(/\s+/u);
    if (field("Enabled")[0] === "no" || !field("Types").includes("deb") || !field("Suites").includes(suite))
      continue;
    const uri = field("URIs").find((one) => /^https?:/u.test(one));
    if (uri !== undefined) return uri;
  }
  return undefined;
}

/** debootstrap knows proxies from the environment only; apt's own setting counts where the environment has none. */
export async function aptProxy(): Promise<Readonly<Record<string, string>>> {
  if (process.env["http_proxy"] !== undefined) return {};
  const proxy = (await aptConfig("--format", "%v", "Acquire::http::Proxy")).trim();
  return /^https?:/u.test(proxy) ? { http_proxy: proxy } : {};
}

/** What this machine's apt is set to; nothing on a machine without apt. */
export async function aptConfig(...options: readonly string[]): Promise<string> {
  try {
    return (await execa("apt-config", ["dump", ...options])).stdout;
  } catch {
    return "";
  }
}
