import { execa } from "execa";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { script } from "./world.ts";

let root: string;
let data: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "scripts-"));
  data = join(root, "data");
  mkdirSync(data);
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A tar of the given files; `transform` is tar's --transform, to get names tar itself would not give. */
async function tar(files: Record<string, string>, ...flags: readonly string[]): Promise<Uint8Array> {
  const source = mkdtempSync(join(root, "source-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(source, path)), { recursive: true });
    writeFileSync(join(source, path), content);
    chmodSync(join(source, path), path.startsWith("secrets/") ? 0o600 : 0o644);
  }
  const result = await execa("tar", ["-C", source, ...flags, "-cf", "-", "."], { encoding: "buffer" });
  return result.stdout;
}

const sum = { one: "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" };

describe("receive", () => {
  test("puts every file in place with its mode and prints checksums, what others wait for last", async () => {
    const files = {
      "steward/node.conf": "one",
      "join.conf": "one",
      "secrets/authkey": "one",
      "etc/x.yaml": "one",
    };
    const result = await script("receive", data, [], await tar(files));
    expect(result.exitCode).toBe(0);
    expect(result.stdout.split("\n")).toEqual(
      ["etc/x.yaml", "secrets/authkey", "join.conf", "steward/node.conf"].map(
        (path) => `${sum.one}  ${path}`,
      ),
    );
    expect(statSync(join(data, "secrets/authkey")).mode & 0o777).toBe(0o600);
    expect(statSync(join(data, "secrets")).mode & 0o777).toBe(0o700);
    expect(statSync(join(data, "etc/x.yaml")).mode & 0o777).toBe(0o644);
    expect(statSync(join(data, "etc")).mode & 0o777).toBe(0o755);
    expect(readdirSync(data).filter((name) => name.startsWith(".receive"))).toEqual([]);
  });

  test("replaces a file by another one, never in place", async () => {
    writeFileSync(join(data, "a"), "old");
    const before = statSync(join(data, "a")).ino;
    await script("receive", data, [], await tar({ a: "new" }));
    expect(readFileSync(join(data, "a"), "utf8")).toBe("new");
    expect(statSync(join(data, "a")).ino).not.toBe(before);
  });

  test.each([
    ["a parent directory", "s,^./a,../a,"],
    ["an inner parent directory", "s,^./a,b/../../a,"],
    ["an absolute path", "s,^./a,/a,"],
  ])("refuses %s and writes nothing", async (_, transform) => {
    const archive = await tar({ a: "one", b: "one" }, "-P", `--transform=${transform}`);
    const result = await script("receive", data, [], archive);
    expect(result.exitCode).not.toBe(0);
    expect(result.stderr).toContain("must stay below the data directory");
    expect(readdirSync(data)).toEqual([]);
    expect(existsSync(join(root, "a"))).toBe(false);
  });

  test("refuses links in the archive, and paths that lead out through a link on the volume", async () => {
    const source = join(root, "links");
    mkdirSync(source);
    symlinkSync("/etc/passwd", join(source, "a"));
    const archive = await execa("tar", ["-C", source, "-cf", "-", "."], { encoding: "buffer" });
    const refused = await script("receive", data, [], archive.stdout);
    expect(refused.stderr).toContain("only regular files");

    mkdirSync(join(root, "outside"));
    symlinkSync(join(root, "outside"), join(data, "out"));
    const escaped = await script("receive", data, [], await tar({ "out/a": "one" }));
    expect(escaped.stderr).toContain("a link leads outside");
    expect(readdirSync(join(root, "outside"))).toEqual([]);
  });

  test("refuses what is no tar, and leaves nothing behind", async () => {
    const result = await script("receive", data, [], new TextEncoder().encode("no archive at all"));
    expect(result.exitCode).not.toBe(0);
    expect(readdirSync(data)).toEqual([]);
  });
});

test("checksums prints a dash for a file that is missing, and refuses paths outside", async () => {
  writeFileSync(join(data, "a"), "one");
  const result = await script("checksums", data, ["a", "b/c"]);
  expect(result.stdout.split("\n").sort()).toEqual(["-  b/c", `${sum.one}  a`]);
  expect((await script("checksums", data, ["../data/a"])).exitCode).not.toBe(0);
});

test("remove takes away files, also such that are gone, and refuses paths outside", async () => {
  writeFileSync(join(data, "a"), "one");
  writeFileSync(join(root, "b"), "one");
  expect((await script("remove", data, ["a", "missing"])).exitCode).toBe(0);
  expect(readdirSync(data)).toEqual([]);
  expect((await script("remove", data, ["../b"])).exitCode).not.toBe(0);
  expect(existsSync(join(root, "b"))).toBe(true);
});

test("stage prints an empty list before the sequence began, then the file", async () => {
  expect((await script("stage", data, [])).stdout).toBe('{"node":"","stages":[]}');
  mkdirSync(join(data, "steward"));
  writeFileSync(join(data, "steward/stage.json"), "{}\n");
  expect((await script("stage", data, [])).stdout).toBe("{}");
});

test("k3s-stop leaves a mark that k3s-start takes away", async () => {
  mkdirSync(join(data, "steward"));
  await script("k3s-stop", data, []);
  expect(existsSync(join(data, "steward/k3s.stopped"))).toBe(true);
  await script("k3s-start", data, []);
  expect(existsSync(join(data, "steward/k3s.stopped"))).toBe(false);
});
