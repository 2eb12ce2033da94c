/** The programs of a machine in the form their projects publish them in, made of the toolchain's own. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import tar from "tar-stream";
import { z } from "zod";

/** A tool of the toolchain. */
export interface Program {
  readonly path: string;
  readonly version: string;
}

export interface Programs {
  readonly k3s: Program;
  readonly tailscale: Program;
  readonly tailscaled: Program;
}

/** A file that a machine may download. */
export interface MadeArtifact {
  readonly name: "k3s" | "tailscale";
  readonly arch: "amd64" | "arm64";
  readonly file: string;
  readonly fileName: string;
  readonly sha256: string;
}

const sumSchema = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/**
 * The artifacts; what was made before is found again.
 *
 * @param folder - of this rehearsal tool in the cache
 */
export async function makeArtifacts(
  programs: Programs,
  arch: MadeArtifact["arch"],
  folder: string,
): Promise<readonly MadeArtifact[]> {
  await mkdir(folder, { recursive: true });
  const { k3s, tailscale, tailscaled } = programs;
  const k3sName = arch === "amd64" ? "k3s" : `k3s-${arch}`;
  const k3sSum = await remembered(folder, `k3s-${await identity([k3s])}`, () => sumOf(k3s.path));
  const version = tailscale.version.replace(/^v/, "");
  const layout = `tailscale_${version}_${arch}`;
  const archive = join(folder, `tailscale-${await identity([tailscale, tailscaled])}.tgz`);
  // A sum without its archive is of no use.
  await stat(archive).catch(() => rm(`${archive}.json`, { force: true }));
  const archiveSum = await remembered(folder, basename(archive), async () => {
    await pack(archive, layout, [tailscale.path, tailscaled.path]);
    return sumOf(archive);
  });
  return [
    { name: "k3s", arch, file: k3s.path, fileName: k3sName, sha256: k3sSum },
    { name: "tailscale", arch, file: archive, fileName: `${layout}.tgz`, sha256: archiveSum },
  ];
}

/** What HOMESPAN_ARTIFACTS names: where machines find these, tried in turn. */
export function artifactsFile(
  artifacts: readonly MadeArtifact[],
  urls: (artifact: MadeArtifact) => readonly string[],
): string {
  const entries = artifacts.map((artifact) => [
    artifact.name,
    { [artifact.arch]: { urls: urls(artifact), sha256: artifact.sha256 } },
  ]);
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

/** Changes when one of the programs does. */
async function identity(programs: readonly Program[]): Promise<string> {
  const facts = await Promise.all(
    programs.map(async ({ path, version }) => {
      const { size, mtimeMs } = await stat(path);
      return [path, version, size, mtimeMs].join(" ");
    }),
  );
  return createHash("sha256").update(facts.join("\n")).digest("hex").slice(0, 16);
}

/** A sum that was taken before; `make` is the work whose sum it is. */
async function remembered(folder: string, name: string, make: () => Promise<string>): Promise<string> {
  const file = join(folder, `${name}.json`);
  const known = sumSchema.safeParse(parsed(await readFile(file, "utf8").catch(() => "")));
  if (known.success) return known.data.sha256;
  const sha256 = await make();
  await writeFile(`${file}.draft`, JSON.stringify({ sha256 }));
  await rename(`${file}.draft`, file);
  return sha256;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function sumOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** A .tgz with the files in one folder, as https://pkgs.tailscale.com/stable has it. */
async function pack(archive: string, folder: string, files: readonly string[]): Promise<void> {
  const draft = `${archive}.${String(process.pid)}`;
  const packed = tar.pack();
  const writing = pipeline(packed, createGzip({ level: 1 }), createWriteStream(draft));
  try {
    const filling = async (): Promise<void> => {
      for (const file of files) {
        const { size } = await stat(file);
        // The same programs make the same archive, whenever it is made.
        const header = { name: `${folder}/${basename(file)}`, mode: 0o755, size, mtime: new Date(0) };
        await pipeline(createReadStream(file), packed.entry(header));
      }
      packed.finalize();
    };
    await Promise.all([writing, filling()]);
    await rename(draft, archive);
  } catch (error) {
    packed.destroy();
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}
