/** What stand-ins share: the manners of plugins made of Terraform providers. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { Books } from "../../../rehearsal/clouds/shared/books.ts";
import { cloudResource, sameSet } from "../../../rehearsal/clouds/shared/cloud-resource.ts";

const inputs = z.strictObject({
  name: z.string(),
  members: z.array(z.string()).optional(),
  zone: z.string().optional(),
});

const thing = cloudResource({
  type: "cloud:index:Thing",
  inputs,
  outputs: inputs.extend({ id: z.string() }),
  replaceOn: ["name", "zone"],
  computed: ["zone"],
  same: { members: sameSet },
  autoName: "name",
  create: (news) => Promise.resolve({ id: news.name, outputs: { ...news, id: news.name } }),
  read: (state) => Promise.resolve(state),
  delete: () => Promise.resolve(),
});

const context = { resourceName: "main", olds: {}, seed: new Uint8Array([1]) };

describe("a cloud's resource", () => {
  it("gets a name of its own that stays, and is then replaced new first", () => {
    const { inputs: news } = thing.check({}, context);
    expect(news["name"]).toMatch(/^main-[0-9a-f]{7}$/);
    expect(thing.check({}, { ...context, olds: news, seed: new Uint8Array([2]) }).inputs).toEqual(news);
    expect(thing.deletesFirst?.({}, news)).toBe(false);
    const { inputs: given } = thing.check({ name: "main" }, { ...context, olds: news });
    expect([given["name"], thing.deletesFirst?.({}, given)]).toEqual(["main", true]);
  });

  it("does not change when the service filled something in, or turned a set", () => {
    const state = { id: "a", name: "a", zone: "z1", members: ["x", "y"] };
    const changes = (news: object) => thing.diff(state, thing.check({ name: "a", ...news }).inputs);
    expect(changes({ members: ["y", "x"] })).toEqual([]);
    expect(changes({ members: ["y"] })).toMatchObject([{ path: "members", kind: "update", replace: false }]);
    expect(changes({ members: ["y", "x"], zone: "z2" })).toMatchObject([{ path: "zone", replace: true }]);
  });

  it("says that it cannot be updated where nothing can be", async () => {
    const context = { signal: new AbortController().signal, timeoutSeconds: 0 };
    await expect(thing.update({ id: "a", name: "a" }, { name: "a" }, context)).rejects.toThrow(
      "cloud:index:Thing must be replaced, it cannot be updated",
    );
  });
});

describe("books", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "homespan-books-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  const open = () => new Books(join(folder, "b.json"), z.strictObject({ n: z.number() }), () => ({ n: 0 }));

  it("are changed one after another, by however many", async () => {
    const both = [open(), open()];
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        both[index % 2]!.change((books) => {
          books.n += 1;
        }),
      ),
    );
    expect(await open().read()).toEqual({ n: 40 });
    expect(await readdir(folder)).toEqual(["b.json"]);
  });

  it("keep no draft of a change that was killed", async () => {
    const program = [
      `import { Books } from ${JSON.stringify(join(import.meta.dirname, "../../../rehearsal/clouds/shared/books.ts"))};`,
      `import fs from "node:fs/promises"; import { z } from ${JSON.stringify(import.meta.resolve("zod"))};`,
      `fs.rename = () => process.kill(process.pid, "SIGKILL"); (await import("node:module")).syncBuiltinESMExports();`,
      `await new Books(${JSON.stringify(join(folder, "b.json"))}, z.any(), () => ({ n: 0 })).change((it) => { it.n = 5; });`,
    ].join("\n");
    const { signal } = spawnSync(process.execPath, ["--input-type=module", "--eval", program]);
    expect(signal).toBe("SIGKILL");
    expect(await readdir(folder)).not.toEqual([]);
    await rm(join(folder, "b.json.lock"), { recursive: true });
    await open().change((books) => {
      books.n += 1;
    });
    expect(await open().read()).toEqual({ n: 1 });
    expect(await readdir(folder)).toEqual(["b.json"]);
  });

  it("stay as they were when a change fails", async () => {
    const books = open();
    const failed = books.change((now) => {
      now.n = 7;
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    expect(await books.read()).toEqual({ n: 0 });
    expect(await readdir(folder)).toEqual([]);
  });
});
