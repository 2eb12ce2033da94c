import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { withLock } from "../../toolchain/locks.ts";
import { processMark, startTime } from "../../toolchain/process.ts";
import { temporaryFolder } from "./support/folders.ts";

const [pid = "", started = "", space = ""] = (processMark() ?? "").split(".");
const dead = execFileSync("sh", ["-c", "echo $$"]).toString().trim();

// Only Linux tells who holds a lock; elsewhere each is waited for until it is stale.
describe.runIf(pid !== "")("a lock that is taken from the dead", () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  const take = (work = () => Promise.resolve("done"), patienceMs = 100): Promise<string> =>
    withLock(folder, "tool", work, { fromDead: true, patienceMs, pollMs: 10 });
  const held = (...mark: (string | undefined)[]): void => {
    mkdirSync(join(folder, "tool.lock"));
    writeFileSync(join(folder, "tool.lock", mark.join(".")), "");
  };

  it("tells who holds it, and is gone afterwards", async () => {
    const marks = await withLock(
      folder,
      "tool",
      () => Promise.resolve(readdirSync(join(folder, "tool.lock"))),
      { fromDead: true },
    );
    expect(marks).toEqual([`${pid}.${started}.${space}`]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ["of a process that is dead", dead, started],
    ["of a process whose id belongs to another now", pid, "1"],
  ])("is one %s", async (_, holder, since) => {
    held(holder, since, space);
    expect(await take()).toBe("done");
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ["of a process that lives", String(process.ppid), startTime(process.ppid), space],
    ["of another machine or container, where the id is another process", dead, started, "0123456789ab"],
  ])("is not one %s", async (_, ...mark) => {
    held(...mark);
    await expect(take()).rejects.toThrow(/another run has held .*tool\.lock too long/);
    expect(readdirSync(join(folder, "tool.lock"))).toEqual([mark.join(".")]);
  });

  it("is not one that does not say whose it is", async () => {
    mkdirSync(join(folder, "tool.lock"));
    await expect(take()).rejects.toThrow("too long");
  });

  it("is taken by one run at a time", async () => {
    held(dead, started, space);
    let inside = 0;
    let most = 0;
    const work = async (): Promise<string> => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside -= 1;
      return "done";
    };
    await Promise.all(Array.from({ length: 5 }, () => take(work, 10_000)));
    expect(most).toBe(1);
  });
});
