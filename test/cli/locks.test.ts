import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withLock } from "../../cli/locks.ts";
import { startTime } from "../../toolchain/process.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-locks-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("one holder at a time, and nothing is left afterwards", async () => {
  const file = join(folder, "a.lock");
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 5 }, () => withLock(file, "test", 10_000, work)));
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

test("names the holder instead of waiting", async () => {
  const file = join(folder, "a.lock");
  writeFileSync(
    file,
    JSON.stringify({ pid: process.ppid, startTime: startTime(process.ppid), verb: "up ci" }),
  );
  await expect(withLock(file, "test", 0, () => Promise.resolve())).rejects.toThrow(
    `another run (\`up ci\`, pid ${String(process.ppid)}) is at work`,
  );
  expect(existsSync(file)).toBe(true);
});

test.each([
  ["a holder that is dead", { pid: Number(execFileSync("sh", ["-c", "echo $$"])), verb: "up" }],
  ["a process id that belongs to another process now", { pid: process.ppid, startTime: "1", verb: "up" }],
])("takes over the lock of %s", async (_, holder) => {
  const file = join(folder, "a.lock");
  writeFileSync(file, JSON.stringify(holder));
  expect(await withLock(file, "test", 0, () => Promise.resolve("done"))).toBe("done");
  expect(readdirSync(folder)).toEqual([]);
});

test("takes over a lock that is cut off", async () => {
  const file = join(folder, "a.lock");
  writeFileSync(file, '{"pid":');
  expect(await withLock(file, "test", 0, () => Promise.resolve("done"))).toBe("done");
});
