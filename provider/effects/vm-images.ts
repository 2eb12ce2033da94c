/** Images for virtual machines on this machine's disk: downloaded, and used only with the right sum and the right signature. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { type Answer, fetch } from "../../toolchain/fetch.ts";
import type { Run } from "./process.ts";

/** What is asked for. */
export interface ImageRequest {
  readonly urls: readonly string[];
  readonly sha256: string;
  readonly signatureUrls: readonly string[];
  readonly signingKeyUrls: readonly string[];
  readonly fingerprint: string;
}

export interface StoredImage {
  readonly path: string;
  readonly bytes: number;
}

export interface VmImages {
  /** @throws Error for an image with another sum, without a signature, or signed by somebody else: none of them stays */
  obtain(request: ImageRequest, signal: AbortSignal): Promise<StoredImage>;
  size(path: string): Promise<number | undefined>;
  remove(path: string): Promise<void>;
}

/** A signature and a key are a few KB. */
const SMALL_BYTES = 1 << 20;

/** What of `fetch` is used. */
export type FetchUrl = (
  url: string,
  options: { readonly signal: AbortSignal },
) => Promise<Pick<Answer, "ok" | "status" | "body">>;

export class CachedVmImages implements VmImages {
  readonly #run: Run;
  readonly #folder: string;
  readonly #fetch: FetchUrl;

  /** @param folder where the images are kept */
  constructor(run: Run, folder: string, fetchUrl: FetchUrl = fetch) {
    this.#run = run;
    this.#folder = folder;
    this.#fetch = fetchUrl;
  }

  async obtain(request: ImageRequest, signal: AbortSignal): Promise<StoredImage> {
    const path = join(this.#folder, `${request.sha256}.img`);
    // Signature and key first: they are small, and without them the image is of no use.
    const signature = await this.#small("signatureUrls", request.signatureUrls, signal);
    const key = await this.#small("signingKeyUrls", request.signingKeyUrls, signal);
    if ((await this.size(path)) === undefined || (await sumOf(path)) !== request.sha256) {
      await mkdir(dirname(path), { recursive: true });
      await this.#download(request, path, signal);
    }
    try {
      await this.#verify(path, signature, key, request.fingerprint);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    return { path, bytes: (await this.size(path)) ?? 0 };
  }

  async size(path: string): Promise<number | undefined> {
    return (await stat(path).catch(() => undefined))?.size;
  }

  remove(path: string): Promise<void> {
    return rm(path, { force: true });
  }

  async #download({ urls, sha256 }: ImageRequest, path: string, signal: AbortSignal): Promise<void> {
    const draft = `${path}.${String(process.pid)}.part`;
    await firstOf("urls", urls, async (url) => {
      const hash = createHash("sha256");
      const count = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          hash.update(chunk);
          done(null, chunk);
        },
      });
      try {
        const body = await this.#body(url, signal);
        await pipeline(Readable.fromWeb(body), count, createWriteStream(draft, { mode: 0o644 }), { signal });
        const found = hash.digest("hex");
        if (found !== sha256)
          throw new Error(`\`sha256\` must be that of ${url}, got ${sha256} for ${found}`);
        await rename(draft, path);
      } finally {
        await rm(draft, { force: true });
      }
    });
  }

  async #small(field: string, urls: readonly string[], signal: AbortSignal): Promise<Buffer> {
    return firstOf(field, urls, async (url) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of Readable.fromWeb(await this.#body(url, signal)) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > SMALL_BYTES) throw new Error(`${url} is larger than 1 MiB`);
        chunks.push(chunk);
      }
      if (bytes === 0) throw new Error(`${url} is empty`);
      return Buffer.concat(chunks);
    });
  }

  async #body(url: string, signal: AbortSignal): Promise<ReadableStream> {
    const response = await this.#fetch(url, { signal }).catch((error: unknown) => {
      throw new Error(`${url}: ${reasonOf(error)}`, { cause: error });
    });
    if (!response.ok || response.body === null) throw new Error(`${url}: HTTP ${String(response.status)}`);
    return response.body;
  }

  /** The key may be anybody's: who signed is told by its fingerprint alone. */
  async #verify(path: string, signature: Buffer, key: Buffer, fingerprint: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "homespan-signature-"));
    try {
      const [sig, ring] = [join(folder, "image.sig"), join(folder, "key.gpg")];
      await writeFile(sig, unarmoured(signature));
      await writeFile(ring, unarmoured(key));
      const { stdout, stderr } = await this.#run("gpgv", ["--status-fd", "1", "--keyring", ring, sig, path], {
        timeoutSeconds: 300,
      });
      const signers = [...stdout.matchAll(/^\[GNUPG:\] VALIDSIG (.*)$/gm)].map(([, words = ""]) =>
        words.split(" ").at(-1),
      );
      if (/^\[GNUPG:\] (BADSIG|REVKEYSIG|EXPKEYSIG)/m.test(stdout) || !signers.includes(fingerprint)) {
        const found =
          signers.length > 0 ? `one of ${signers.join(", ")}` : (stderr.trim().split("\n").at(-1) ?? "none");
        throw new Error(`the image must have a signature of ${fingerprint}, got ${found}`);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** https://www.rfc-editor.org/rfc/rfc4880#section-6.2; what is binary already stays as it is. */
export function unarmoured(content: Buffer): Buffer {
  const text = content.toString("latin1");
  const block =
    /^-----BEGIN PGP [^\n]*-----\r?\n(?:[^\n]*: [^\n]*\r?\n)*\r?\n([A-Za-z0-9+/=\r\n]*?)\r?\n(?:=[A-Za-z0-9+/]{4}\r?\n)?-----END PGP /m.exec(
      text,
    );
  return block === null ? content : Buffer.from(block[1] ?? "", "base64");
}

async function sumOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** One after the other; the errors of all when none will do. */
async function firstOf<T>(
  field: string,
  urls: readonly string[],
  attempt: (url: string) => Promise<T>,
): Promise<T> {
  const reasons: string[] = [];
  for (const url of urls) {
    try {
      return await attempt(url);
    } catch (error) {
      reasons.push(reasonOf(error));
    }
  }
  throw new Error(`\`${field}\` must give what is wanted, got: ${reasons.join("; ")}`);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.message === "fetch failed"
    ? error.cause.message
    : error.message;
}
