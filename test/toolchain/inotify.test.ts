/** The limit of watchers, in a file that stands in for the kernel's. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { allowManyWatchers } from "../../toolchain/inotify.ts";

let folder: string;
let said: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "inotify-"));
  said = [];
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function allow(file: string): void {
  allowManyWatchers({ note: (text) => said.push(text) }, file);
}

test.each([
  ["128\n", "1024", ["fs.inotify.max_user_instances: 128 -> 1024, until this machine restarts"]],
  ["1024\n", "1024\n", []],
  ["8192\n", "8192\n", []],
  ["no number\n", "no number\n", []],
])("%j becomes %j", (before, after, words) => {
  const file = join(folder, "max_user_instances");
  writeFileSync(file, before);
  allow(file);
  expect(readFileSync(file, "utf8")).toBe(after);
  expect(said).toEqual(words);
});

test("nothing where there is no such limit", () => {
  allow(join(folder, "none"));
  expect(said).toEqual([]);
});
