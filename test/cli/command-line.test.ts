/** The wrapper as a user calls it: through a symlink, from another folder, with mistakes. */
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkout } from "./bed.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-line-"));
  symlinkSync(join(checkout, "homespan"), join(folder, "hs"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function homespan(
  ...args: readonly string[]
): Promise<{ code: number | undefined; out: string; error: string }> {
  const done = await execa(join(folder, "hs"), [...args], {
    cwd: folder,
    reject: false,
    env: { HOMESPAN_STATE: join(folder, "state"), HOMESPAN_CACHE: join(folder, "cache") },
  });
  return { code: done.exitCode, out: done.stdout, error: done.stderr };
}

describe.concurrent("usage mistakes end with 2 and no stack trace", () => {
  test.each([
    [["upp"], /unknown command 'upp'\n\(Did you mean up\?\)/],
    [["up", "--jsno"], /unknown option '--jsno'\n\(Did you mean --json\?\)/],
    [["up", "cii"], /\[stack\] must be one of ci, lightsail, got "cii"; did you mean "ci"\?/],
    [["up", "ci", "--set", "agents"], /`--set` must be key=value, got "agents"/],
    [["up", "--timeout", "soon"], /number of minutes above 0/],
    [
      ["toolchain", "--group", "cor"],
      /`--group` must be one of core, bench, test, got "cor"; did you mean "core"\?/,
    ],
    [["test", "--long", "none"], /`--long` must be/],
  ])("%j", async (args, message) => {
    const { code, error } = await homespan(...args);
    expect(error).toMatch(message);
    expect(error).not.toMatch(/^\s+at .+:\d+:\d+/m);
    expect(code).toBe(2);
    expect(existsSync(join(folder, "state"))).toBe(false);
  });
});

test.concurrent("--json mistakes are one object on standard output", async () => {
  const { code, out } = await homespan("up", "cii", "--json");
  expect(code).toBe(2);
  expect(JSON.parse(out)).toMatchObject({ command: "up", succeeded: false, exitCode: 2 });
});

test.concurrent("help shows every verb, examples and exit codes", async () => {
  const { code, out } = await homespan("--help");
  expect(code).toBe(0);
  const verbs =
    "up preview destroy recreate status doctor kubeconfig env kubectl ssh render toolchain test sweep version";
  for (const verb of verbs.split(" ")) expect(out).toMatch(new RegExp(`^  ${verb}\\b`, "m"));
  expect(out).toContain("Exit codes:");
  expect((await homespan("help", "up")).out).toMatch(/Examples:\n {2}\.\/homespan up\n/);
});

test.concurrent("arguments of kubectl are kubectl's, also those that look like ours", async () => {
  const { code, error } = await homespan("kubectl", "get", "pods", "--json", "-A", "--set");
  expect(error).not.toContain("unknown option");
  expect(code).toBe(1);
});

test.concurrent("status of a stack that does not exist says what to do", async () => {
  const { code, error } = await homespan("status");
  expect(code).toBe(1);
  expect(error).toBe("homespan: stack ci does not exist; make it with: ./homespan up ci");
});
