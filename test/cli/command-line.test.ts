/** Command lines as a user types them. Most are run in this process; how the wrapper gets there is shown by two that start it. */
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { checkout } from "./bed.ts";

let folder: string;
let environment: Record<string, string>;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-line-"));
  symlinkSync(join(checkout, "homespan"), join(folder, "hs"));
  environment = { HOMESPAN_STATE: join(folder, "state"), HOMESPAN_CACHE: join(folder, "cache") };
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | undefined;
  readonly out: string;
  readonly error: string;
}

/** What `./homespan ARGS` runs, cli/main.ts, evaluated anew with these arguments. */
async function homespan(...args: readonly string[]): Promise<Outcome> {
  const said = { out: "", error: "" };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((said.out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((said.error += String(text)), true));
  // It listens to both streams for as long as the process lasts.
  vi.spyOn(process.stdout, "on").mockReturnThis();
  vi.spyOn(process.stderr, "on").mockReturnThis();
  const { argv, exitCode } = process;
  process.argv = [process.execPath, join(checkout, "cli/main.ts"), ...args];
  try {
    vi.resetModules();
    await import("../../cli/main.ts");
    return { code: Number(process.exitCode), out: said.out.trimEnd(), error: said.error.trimEnd() };
  } finally {
    process.argv = argv;
    process.exitCode = exitCode;
    vi.restoreAllMocks();
  }
}

/** The wrapper itself: through a symlink, from another folder. */
async function wrapper(...args: readonly string[]): Promise<Outcome> {
  const done = await execa(join(folder, "hs"), [...args], { cwd: folder, reject: false, env: environment });
  return { code: done.exitCode, out: done.stdout, error: done.stderr };
}

test("through the wrapper a mistake ends with 2, on standard error alone", async () => {
  const { code, out, error } = await wrapper("upp");
  expect([code, out]).toEqual([2, ""]);
  expect(error).toMatch(/unknown command 'upp'\n\(Did you mean up\?\)/);
  expect(error).not.toMatch(/^\s+at .+:\d+:\d+/m);
});

test("through the wrapper help ends with 0, on standard output alone", async () => {
  const { code, out, error } = await wrapper("help", "up");
  expect([code, error]).toEqual([0, ""]);
  expect(out).toMatch(/Examples:\n {2}\.\/homespan up\n/);
});

describe("usage mistakes end with 2 and no stack trace", () => {
  test.each([
    [["upp"], /unknown command 'upp'\n\(Did you mean up\?\)/],
    [["up", "--jsno"], /unknown option '--jsno'\n\(Did you mean --json\?\)/],
    [["up", "cii"], /\[stack\] must be one of ci, homelab, lightsail, got "cii"; did you mean "ci"\?/],
    [["up", "ci", "--set", "agents"], /`--set` must be key=value, got "agents"/],
    [["up", "--timeout", "soon"], /number of minutes above 0/],
    [
      ["toolchain", "--group", "cor"],
      /`--group` must be one of core, bench, test, rehearsal, libvirt, vms, homelab, guest, mac, registry, got "cor"; did you mean "core"\?/,
    ],
    [["rehearse", "lightsail", "--registry", "70000"], /must be a port from 1 to 65535/],
    [
      ["rehearse", "lightsail", "destroy", "--registry", "5001"],
      /`--registry` must be left out with destroy: up and preview start one/,
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

test("--json mistakes are one object on standard output", async () => {
  const { code, out } = await homespan("up", "cii", "--json");
  expect(code).toBe(2);
  expect(JSON.parse(out)).toMatchObject({ command: "up", succeeded: false, exitCode: 2 });
});

test("help shows every verb, examples and exit codes", async () => {
  const { code, out } = await homespan("--help");
  expect(code).toBe(0);
  const verbs =
    "up preview destroy recreate status doctor kubeconfig env kubectl ssh render ignition rehearse paths cost toolchain test sweep version";
  for (const verb of verbs.split(" ")) expect(out).toMatch(new RegExp(`^  ${verb}\\b`, "m"));
  expect(out).toContain("Exit codes:");
  expect((await homespan("help", "up")).out).toMatch(/Examples:\n {2}\.\/homespan up\n/);
});

test("arguments of kubectl are kubectl's, also those that look like ours", async () => {
  const { code, error } = await homespan("kubectl", "get", "pods", "--json", "-A", "--set");
  expect(error).not.toContain("unknown option");
  expect(code).toBe(1);
});

test.each(["status", "kubectl get nodes", "kubeconfig", "paths"])(
  "%s of a stack that does not exist says what to do",
  async (words) => {
    const { code, error } = await homespan(...words.split(" "));
    expect(code).toBe(1);
    expect(error).toBe("homespan: stack ci does not exist; make it with: ./homespan up ci");
  },
);
