/** Makes the S3 service of a rehearsal what the books of the rehearsed AWS say: its buckets, and who may open each. */
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withLock } from "../../toolchain/locks.ts";
import type { AwsBooks } from "../clouds/aws/books.ts";
import type { Machines } from "../machines/machines.ts";
import { objectFiles, serviceName, serviceSchema } from "./files.ts";

type Buckets = AwsBooks["buckets"];

/** What the books of the cloud ask of its S3 service. */
export interface ObjectStore {
  /** Brings the service to what the books say now; `books` is asked when nobody else is at it. */
  apply(books: () => Promise<Buckets>): Promise<void>;
  /** How many objects a bucket holds; undefined where there is no service. */
  count(bucket: string): Promise<number | undefined>;
}

/** {@link ObjectStore} of the rehearsal in `folder`; without a service, as in tests of the books alone, it does nothing. */
export class ObjectFolders implements ObjectStore {
  readonly #folder: string;
  readonly #machines: Pick<Machines, "know">;

  constructor(folder: string, machines: Pick<Machines, "know">) {
    this.#folder = folder;
    this.#machines = machines;
  }

  async apply(books: () => Promise<Buckets>): Promise<void> {
    const files = objectFiles(this.#folder);
    const text = await readFile(files.service, "utf8").catch(() => "");
    if (text === "") return;
    const { address, region } = serviceSchema.parse(JSON.parse(text));
    await withLock(files.root, "apply", async () => {
      const buckets = await books();
      await this.#keys(buckets);
      for (const [name, { accessKeys }] of Object.entries(buckets)) {
        await mkdir(join(files.data, name), { recursive: true });
        await this.#policy(name, Object.keys(accessKeys));
      }
      for (const name of await readdir(files.data)) {
        if (name in buckets) continue;
        for (const place of [files.data, files.meta])
          await rm(join(place, name), { recursive: true, force: true });
      }
      const names = Object.keys(buckets).map((name) => [`${name}.${serviceName(region)}`, address]);
      await this.#machines.know(Object.fromEntries(names) as Record<string, string>);
    });
  }

  async count(bucket: string): Promise<number | undefined> {
    const files = objectFiles(this.#folder);
    if (!existsSync(files.service)) return undefined;
    const entries = await readdir(join(files.data, bucket), { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    // Parts of uploads that were cut off are in a folder of versitygw's own.
    return entries.filter((entry) => entry.isFile() && !entry.parentPath.includes("/.sgwtmp")).length;
  }

  /** Each key is a user of the service's. */
  async #keys(buckets: Buckets): Promise<void> {
    const users = Object.values(buckets).flatMap(({ accessKeys }) =>
      Object.entries(accessKeys).map(([access, { secretAccessKey: secret }]) => [
        access,
        { access, secret, role: "user", userID: 0, groupID: 0, projectID: 0 },
      ]),
    );
    const { keys } = objectFiles(this.#folder);
    await replace(
      join(keys, "users.json"),
      JSON.stringify({ accessAccounts: Object.fromEntries(users) as unknown }),
    );
  }

  /** Its keys may do everything in a bucket, and nobody else anything. */
  async #policy(bucket: string, keys: readonly string[]): Promise<void> {
    const file = join(objectFiles(this.#folder).meta, bucket, "meta", "policy");
    if (keys.length === 0) {
      await rm(file, { force: true });
      return;
    }
    const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
    const statement = { Effect: "Allow", Principal: { AWS: keys }, Action: "s3:*", Resource };
    await replace(file, JSON.stringify({ Version: "2012-10-17", Statement: [statement] }));
  }
}

async function replace(file: string, content: string): Promise<void> {
  await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.draft`, content, { mode: 0o600 });
  await rename(`${file}.draft`, file);
}
