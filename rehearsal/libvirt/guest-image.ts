/**
 * The image of virtual machines in a rehearsal: that of images/vm, in the form in which Flatcar's project publishes its own,
 * signed with a key that nobody has any more. Built once for each version of its files.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { z } from "zod";
import { flatcarReleases, flatcarSigningKey } from "../../components/upstream/flatcar.ts";
import { CommandError, type Run, runProcess } from "../../provider/effects/process.ts";
import { aptProxy, debianMirror } from "../../toolchain/images-base.ts";
import { baseRecipe } from "../../toolchain/images-recipes.ts";
import { withLock } from "../../toolchain/locks.ts";
import type { Reporter, ToolRow } from "../../toolchain/types.ts";

const source = fileURLToPath(new URL("../../images/vm", import.meta.url));

export interface GuestImageOptions {
  /** Folder of what is made once for all rehearsals and tests. */
  readonly cache: string;
  readonly programs: GuestPrograms;
  readonly reporter: Reporter;
}

/** What goes into it of the toolchain's tools. */
export interface GuestPrograms {
  readonly ignition: string;
  /** What k3s starts beside itself, where it was built: shim, runc, and the folder with CNI's plugins. Nothing where it was released. */
  readonly k3s: readonly string[];
}

/** @throws Error where Ignition is not installed */
export function guestPrograms(tools: readonly Pick<ToolRow, "tool" | "path">[]): GuestPrograms {
  const path = (name: string): string | null => tools.find(({ tool }) => tool === name)?.path ?? null;
  const ignition = path("ignition");
  if (ignition === null) {
    throw new Error("ignition is not installed; run: ./homespan toolchain --prepare --group guest");
  }
  const own = ["containerd-shim-runc-v2", "runc", "cni"].map(path).filter((it) => it !== null);
  return { ignition, k3s: own.length === 3 ? own : [] };
}

const imageSchema = z.strictObject({
  /** Of its files; the name of its folder. */
  version: z.string(),
  sha256: z.string(),
  /** Of the key that signed it. */
  fingerprint: z.string(),
});
type Described = z.output<typeof imageSchema>;

/** An image that is there. */
export interface GuestImage extends Described {
  /** Of all versions; this one's is the folder of that name, with image, signature and key under Flatcar's names. */
  readonly store: string;
  /** The image itself, qcow2. */
  readonly file: string;
}

const usualSeconds = 240;

/**
 * Makes it, or finds it again. Takes root, and the Debian packages of the toolchain's group `guest`.
 *
 * @throws Error with the last words of what could not be done
 */
export async function guestImage({ cache, programs, reporter }: GuestImageOptions): Promise<GuestImage> {
  const store = join(cache, "vm-guest");
  await mkdir(store, { recursive: true });
  const version = await versionOf(cache, programs);
  const folder = join(store, version);
  await withLock(join(cache, "locks"), "vm-guest", async () => {
    if (existsSync(folder)) return;
    const task = reporter.start("the image of virtual machines", usualSeconds);
    const draft = `${folder}.${String(process.pid)}.part`;
    try {
      await mkdir(draft, { recursive: true });
      await build(programs, join(draft, flatcarReleases.image), (words) => {
        task.detail(words);
      });
      task.detail("signing");
      await describe(draft, version);
      await rename(draft, folder);
      for (const old of await readdir(store)) {
        if (old !== version) await rm(join(store, old), { recursive: true, force: true });
      }
      task.done();
    } catch (error) {
      task.fail(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  });
  const described = imageSchema.parse(JSON.parse(await readFile(join(folder, "image.json"), "utf8")));
  return { ...described, store, file: join(folder, flatcarReleases.image) };
}

/** Another one for another image. */
async function versionOf(cache: string, { ignition, k3s }: GuestPrograms): Promise<string> {
  // Their places in the cache tell one build of them from another.
  const places = [ignition, ...k3s].map((path) => relative(cache, path));
  const hash = createHash("sha256").update(places.join("\n"));
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  const files = entries.filter((it) => it.isFile()).map((file) => join(file.parentPath, file.name));
  for (const path of files.sort()) hash.update(relative(source, path)).update(await readFile(path));
  return hash.digest("hex").slice(0, 16);
}

async function build(
  { ignition, k3s }: GuestPrograms,
  out: string,
  say: (words: string) => void,
): Promise<void> {
  const args = [baseRecipe.suite, await debianMirror("/etc/apt"), ignition, out, ...k3s];
  const made = execa(join(source, "build"), args, {
    env: await aptProxy(),
    stdin: "ignore",
    reject: false,
    all: true,
  });
  const last: string[] = [];
  for await (const line of made.iterable({ from: "all" as const })) {
    const text = line.replace(/^[IWE]: /u, "");
    say(text);
    last.push(text);
    if (last.length > 5) last.shift();
  }
  if ((await made).failed) throw new Error(`images/vm/build failed: ${last.join("\n")}`);
}

/** Signs it, and writes down what it is known by. */
async function describe(folder: string, version: string): Promise<void> {
  const image = join(folder, flatcarReleases.image);
  const fingerprint = await signOnce(image, `${image}.sig`, join(folder, flatcarSigningKey.file));
  const hash = createHash("sha256");
  await pipeline(createReadStream(image), hash);
  const described: Described = { version, sha256: hash.digest("hex"), fingerprint };
  await writeFile(join(folder, "image.json"), `${JSON.stringify(described, undefined, 2)}\n`);
}

/**
 * Signs a file with a key that is made for it and forgotten.
 *
 * @param signature - where the detached signature is written
 * @param key - where the public key is written, armoured
 * @returns the key's fingerprint
 */
export async function signOnce(
  file: string,
  signature: string,
  key: string,
  run: Run = runProcess,
): Promise<string> {
  // Short, as the agent's socket is in it.
  const home = await mkdtemp(join(tmpdir(), "signer-"));
  const gpg = async (...args: string[]): Promise<string> => {
    const finished = await run("gpg", ["--homedir", home, "--batch", "--yes", ...args], {
      timeoutSeconds: 600,
    });
    if (finished.code !== 0) throw new CommandError("gpg", finished);
    return finished.stdout;
  };
  try {
    const name = "rehearsal@homespan.invalid";
    await gpg("--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never");
    const fingerprint = /^fpr:{9}([0-9A-F]{40}):/m.exec(await gpg("--with-colons", "--list-keys"))?.[1];
    if (fingerprint === undefined) throw new Error("gpg must list the key it has made, found none");
    await gpg("--armor", "--output", key, "--export");
    await gpg("--output", signature, "--detach-sign", file);
    return fingerprint;
  } finally {
    await run("gpgconf", ["--homedir", home, "--kill", "gpg-agent"]);
    await rm(home, { recursive: true, force: true });
  }
}
