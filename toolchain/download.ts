/** Fetches an official release file: resumed where it stopped, bounded in time, its checksum verified. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Answer, fetch } from "./fetch.ts";

export interface DownloadOptions {
  /** Seconds until the server must have answered. @default 15 */
  readonly answerSeconds?: number;
  /** Seconds over which the speed is judged. @default 20 */
  readonly stallSeconds?: number;
  /** Bytes that must arrive in every `stallSeconds`. @default 65536 */
  readonly stallBytes?: number;
  /** Connections tried before giving up; each continues where the last one broke off. @default 4 */
  readonly attempts?: number;
  /** Called as data arrives; `total` is undefined when the server does not say. */
  readonly onProgress?: (received: number, total: number | undefined) => void;
}

/** A download that failed, with what to tell the user. */
export class DownloadError extends Error {
  /** False when asking again cannot help: the file does not exist, or is not what was published. */
  readonly retry: boolean;
  constructor(message: string, retry: boolean) {
    super(message);
    this.name = "DownloadError";
    this.retry = retry;
  }
}

/**
 * Downloads `url` to `target` and verifies it against the published sums. `target` appears only when complete
 * and right; until then the data is in `target`.part, which the next run continues.
 *
 * @throws DownloadError: unreachable, no such file, too slow, truncated, or a wrong checksum.
 */
export async function download(
  url: string,
  sumsUrl: string,
  target: string,
  options: DownloadOptions = {},
): Promise<void> {
  const expected = parseSums(await fetchText(sumsUrl, options), fileName(url), sumsUrl);
  await mkdir(dirname(target), { recursive: true });
  const part = `${target}.part`;
  const resumed = (await sizeOf(part)) > 0;
  await fetchFile(url, part, options);
  let actual = await digest(part, expected);
  if (actual !== expected && resumed) {
    // What an earlier run left may belong to another file: once more, from the first byte.
    await rm(part, { force: true });
    await fetchFile(url, part, options);
    actual = await digest(part, expected);
  }
  if (actual !== expected) {
    await rm(part, { force: true });
    throw new DownloadError(
      `checksum of ${url} must be ${expected} (from ${sumsUrl}), got ${actual}: the file was removed; something between here and the server changes downloads`,
      false,
    );
  }
  await rename(part, target);
}

/** The digest of `name` in a file of sums, or its only one. */
export function parseSums(text: string, name: string, source: string): string {
  const lines = text
    .split("\n")
    .map((line) => /^([0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})(?:\s+[*]?(.*))?$/i.exec(line.trim()))
    .filter((match) => match !== null);
  const named = lines.find((match) => basename(match[2]?.trim() ?? "") === name);
  const only = lines.length === 1 && (lines[0]?.[2] ?? "") === "" ? lines[0] : undefined;
  const found = (named ?? only)?.[1];
  if (found === undefined) {
    throw new DownloadError(`${source} must list a checksum of ${name}, got none`, false);
  }
  return found.toLowerCase();
}

/** The release's file name: what the sums list. */
function fileName(url: string): string {
  return decodeURIComponent(basename(new URL(url).pathname));
}

async function fetchFile(url: string, part: string, options: DownloadOptions): Promise<void> {
  const attempts = options.attempts ?? 4;
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchRest(url, part, options);
      return;
    } catch (error) {
      const failure = asDownloadError(error, url);
      if (!failure.retry || attempt >= attempts) throw failure;
      await new Promise((resolve) => setTimeout(resolve, Math.min(250 * 2 ** (attempt - 1), 4000)));
    }
  }
}

/** One connection: asks for the bytes that are missing and appends them. */
async function fetchRest(url: string, part: string, options: DownloadOptions): Promise<void> {
  const have = await sizeOf(part);
  const watch = new Watch(options);
  try {
    const response = await open(url, watch, have > 0 ? { range: `bytes=${String(have)}-` } : {});
    if (response.status === 416) {
      // Nothing is missing, or the part is not of this file; the checksum decides.
      await response.body?.cancel();
      return;
    }
    const append = response.status === 206;
    const start = append ? have : 0;
    const length = response.headers.get("content-length");
    const total = length === null ? undefined : start + Number(length);
    if (response.body === null) throw new DownloadError(`${url} answered without a body`, true);
    let received = start;
    watch.startMeasuring();
    await pipeline(
      response.body,
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          received += chunk.length;
          watch.count(chunk.length);
          options.onProgress?.(received, total);
          yield chunk;
        }
      },
      createWriteStream(part, { flags: append ? "a" : "w" }),
      { signal: watch.signal },
    );
    if (total !== undefined && received < total) throw truncated(url, received, total);
  } catch (error) {
    throw watch.reason ?? error;
  } finally {
    watch.stop();
  }
}

async function fetchText(url: string, options: DownloadOptions): Promise<string> {
  const attempts = options.attempts ?? 4;
  for (let attempt = 1; ; attempt++) {
    const watch = new Watch(options);
    try {
      const response = await open(url, watch, {});
      return await response.text();
    } catch (error) {
      const failure = asDownloadError(watch.reason ?? error, url);
      if (!failure.retry || attempt >= attempts) throw failure;
    } finally {
      watch.stop();
    }
  }
}

async function open(url: string, watch: Watch, headers: Record<string, string>): Promise<Answer> {
  const response = await fetch(url, { headers, signal: watch.signal, redirect: "follow" });
  watch.answered();
  if (response.ok || response.status === 416) return response;
  await response.body?.cancel();
  const text = `${url} answered ${String(response.status)} ${response.statusText}`.trim();
  throw new DownloadError(text, response.status === 429 || response.status >= 500);
}

/** Bounds one connection: an answer in time, then a minimum speed. */
class Watch {
  readonly #controller = new AbortController();
  readonly #options: DownloadOptions;
  #timer: NodeJS.Timeout;
  #inWindow = 0;
  reason: DownloadError | undefined;

  constructor(options: DownloadOptions) {
    this.#options = options;
    const seconds = options.answerSeconds ?? 15;
    this.#timer = setTimeout(() => {
      this.#abort(`the server must answer within ${String(seconds)} s, got nothing`);
    }, seconds * 1000);
  }
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  /** The headers are there; a small body gets the same time again. */
  answered(): void {
    this.#timer.refresh();
  }
  startMeasuring(): void {
    clearTimeout(this.#timer);
    const seconds = this.#options.stallSeconds ?? 20;
    const least = this.#options.stallBytes ?? 65_536;
    this.#timer = setInterval(() => {
      if (this.#inWindow < least) {
        this.#abort(
          `the server must send at least ${String(least)} bytes in ${String(seconds)} s, got ${String(this.#inWindow)}`,
        );
      }
      this.#inWindow = 0;
    }, seconds * 1000);
  }
  count(bytes: number): void {
    this.#inWindow += bytes;
  }
  stop(): void {
    clearTimeout(this.#timer);
  }
  #abort(text: string): void {
    this.reason = new DownloadError(text, true);
    this.#controller.abort(this.reason);
  }
}

function truncated(url: string, received: number, total: number): DownloadError {
  return new DownloadError(
    `${url} must have ${String(total)} bytes, got ${String(received)}: the connection broke off`,
    true,
  );
}

function asDownloadError(error: unknown, url: string): DownloadError {
  if (error instanceof DownloadError) {
    return error.message.includes(url) ? error : new DownloadError(`${url}: ${error.message}`, error.retry);
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  const text = cause instanceof Error ? cause.message : String(cause);
  const brokeOff = /terminated|other side closed|aborted|UND_ERR_SOCKET|ECONNRESET/.test(`${text} ${code}`);
  return new DownloadError(
    brokeOff ? `${url}: truncated, the connection broke off (${text})` : `${url}: ${text}`,
    true,
  );
}

async function digest(file: string, like: string): Promise<string> {
  const algorithm = { 40: "sha1", 64: "sha256", 128: "sha512" }[like.length] ?? "sha256";
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.size,
    () => 0,
  );
}
