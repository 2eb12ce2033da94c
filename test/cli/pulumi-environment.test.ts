import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import type * as promises from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { resolvePaths } from "../../cli/paths.ts";
import { withTemporaryFolder } from "../../cli/pulumi-environment.ts";

// A removal of many files takes as long.
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof promises>();
  const rm: typeof real.rm = async (path, options) => {
    await sleep(50);
    return real.rm(path, options);
  };
  return { ...real, rm };
});

test("work that begins while the folder of the former goes away has one, and that goes in the end", async () => {
  const paths = resolvePaths({ HOMESPAN_STATE: mkdtempSync(join(tmpdir(), "state-")) });
  const first = withTemporaryFolder({ paths }, () => sleep(10));
  await sleep(30);
  const second = withTemporaryFolder({ paths }, async (folder) => {
    writeFileSync(join(folder, "own"), "mine");
    await sleep(100);
    return readFileSync(join(folder, "own"), "utf8");
  });
  await first;
  expect(await second).toBe("mine");
  expect(existsSync(join(paths.temporary, String(process.pid)))).toBe(false);
});
