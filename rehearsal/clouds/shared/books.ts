/**
 * What a stand-in cloud remembers: one JSON file that several processes read and change at the same time, and that any of
 * them may be killed over. A reader sees the books before or after a change, never in between.
 */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, basename } from "node:path";
import type { z } from "zod";
import { withLock } from "../../../toolchain/locks.ts";

/** A change takes milliseconds; whoever waits this long waits for a process that was killed and left its lock. */
const PATIENCE_MS = 120_000;
const POLL_MS = 15;

/** The books of one cloud; `T` is what they hold. */
export class Books<T> {
  readonly #path: string;
  readonly #schema: z.ZodType<T>;
  readonly #empty: () => T;
  /** Changes of this process wait for each other here, which is fairer and faster than the lock. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string, schema: z.ZodType<T>, empty: () => T) {
    this.#path = path;
    this.#schema = schema;
    this.#empty = empty;
  }

  /**
   * The books as they are; empty ones where there is no file yet. Needs no lock and touches nothing.
   *
   * @throws Error when the file is not what this version writes.
   */
  async read(): Promise<T> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return this.#empty();
      throw error;
    }
    const parsed = this.#schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new Error(
      `${this.#path} must be the books of this version, got another \`${issue?.path.join(".") ?? ""}\`: ${issue?.message ?? ""}`,
    );
  }

  /** Changes the books: `work` gets a copy that becomes the books when, and only when, it returns. */
  change<R>(work: (books: T) => R): Promise<R> {
    const next = this.#last.then(() => this.#locked(work));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #locked<R>(work: (books: T) => R): Promise<R> {
    const folder = dirname(this.#path);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return withLock(
      folder,
      basename(this.#path),
      async () => {
        const books = await this.read();
        const result = work(books);
        // Under the lock there is one at a time, and that of a process that was killed is written over.
        const draft = `${this.#path}.new`;
        try {
          await writeFile(draft, `${JSON.stringify(books, undefined, 2)}\n`, { mode: 0o600 });
          await rename(draft, this.#path);
        } finally {
          await rm(draft, { force: true });
        }
        return result;
      },
      { patienceMs: PATIENCE_MS, pollMs: POLL_MS },
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
