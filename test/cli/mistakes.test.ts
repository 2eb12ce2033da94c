/** Mistakes and machines: one line with the fix, never a stack trace; and JSON for scripts. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkMachine } from "../../cli/doctor/checks.ts";
import { Failure, InputError, systemProblem } from "../../cli/errors.ts";
import { type Facts, probe } from "../../cli/doctor/probes.ts";
import { makeProgram } from "../../cli/program.ts";
import { Progress } from "../../cli/progress.ts";
import { prepareStack } from "../../cli/state.ts";
import { prepareTools } from "../../cli/tools.ts";
import { kubeconfig } from "../../cli/verbs/kubeconfig.ts";
import { test as runTests } from "../../cli/verbs/test.ts";
import { toolchain } from "../../cli/verbs/toolchain.ts";
import { goCaches } from "../../toolchain/folders.ts";
import { missingCapabilities } from "../../toolchain/machine.ts";
import { checkout, healthy, step, withCluster } from "./bed.ts";
import { bed, ci, failure } from "./verb-support.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-mistakes-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("one line, no stack trace", () => {
  const unknown = '`HOMESPAN_SOURCE` must be download, modules or auto, got "x"';

  test("for a source nobody knows, as bad input", async () => {
    const { context } = bed({ env: { HOMESPAN_SOURCE: "x" } });
    for (const work of [toolchain(context, {}), probe(context, []), prepareTools(context, ["core"])]) {
      const error = await failure(work);
      expect(error.exitCode).toBe(2);
      expect(error.message).toBe(unknown);
    }
  });

  test("for a state folder below a file, with path and fix", async () => {
    const cache = join(folder, "cache");
    // `env` makes the stack where there is a pulumi.
    mkdirSync(join(cache, "bin"), { recursive: true });
    writeFileSync(join(cache, "bin", "pulumi"), "#!/bin/sh\n", { mode: 0o755 });
    const result = await execa(process.execPath, [join(checkout, "cli/main.ts"), "env", "--json"], {
      reject: false,
      env: { HOMESPAN_STATE: "/dev/null/x", HOMESPAN_CACHE: cache },
    });
    expect(result.stderr).toMatch(
      /^homespan: cannot mkdir \/dev\/null\/x: not a directory; fix: .*HOMESPAN_STATE.*$/,
    );
    expect(result.exitCode).toBe(2);
    expect(JSON.parse(result.stdout)).toMatchObject({ command: "env", succeeded: false, exitCode: 2 });
  });

  test("what the operating system says, with path and fix", () => {
    const error = (code: string, words: string, path?: string): Error =>
      Object.assign(new Error(`${code}: ${words}, open '${path ?? ""}'`), { code, syscall: "open", path });
    const denied = systemProblem(error("EACCES", "permission denied", "/state/x"));
    expect(denied).toBeInstanceOf(InputError);
    expect(denied?.message).toBe(
      "cannot open /state/x: permission denied; fix: make it accessible to this user, or run as its owner",
    );
    const full = systemProblem(error("ENOSPC", "no space left on device", "/state/x"));
    expect(full).toBeInstanceOf(Failure);
    expect(full?.message).toMatch(/^cannot open \/state\/x: no space left on device; fix: free some space/);
    expect(systemProblem(new TypeError("a defect"))).toBeUndefined();
    const child = Object.assign(error("ENOENT", "no such file"), { shortMessage: "spawn tar ENOENT" });
    expect(systemProblem(child)).toBeUndefined();
  });

  test("a full disk names the file", async () => {
    if (!existsSync("/dev/full")) return;
    const { writePrivate } = await import("../../cli/state.ts");
    const error: unknown = await writePrivate("/dev/full/x", "x").catch((reason: unknown) => reason);
    expect(systemProblem(error)?.message).toContain("/dev/full/x");
  });
});

describe("doctor", () => {
  const find = (facts: Partial<Facts>, name: string): { result?: string; message?: string; fix?: string } =>
    checkMachine({ ...healthy, ...facts }).find((check) => check.name === name) ?? {};

  test.each<[string, Partial<Facts>, string, string, RegExp]>([
    [
      "a first run with internet needs little",
      { cacheFree: 8 * 2 ** 30, outstanding: { source: "download", neededGiB: 2 } },
      ...(["disk", "ok", /GiB free/] as const),
    ],
    [
      "but not nothing",
      { cacheFree: 6 * 2 ** 30, outstanding: { source: "download", neededGiB: 2 } },
      ...(["disk", "problem", /7 GiB must be free .*tools to download/] as const),
    ],
    ["CAP_SYS_ADMIN", { missingCapabilities: ["CAP_SYS_ADMIN"] }, "capabilities", "problem", /CAP_SYS_ADMIN/],
    ["nft elsewhere", { nft: false, debian: false, system: "Fedora 43" }, "nft", "problem", /none on Fedora/],
    ["nft on Debian comes with the packages", { nft: false }, "nft", "ok", /packages/],
    ["go, when tools are built", { goMissing: "needs `go`; install it" }, "go", "problem", /needs `go`/],
  ])("%s", (_, facts, name, result, message) => {
    const check = find(facts, name);
    expect(check.result).toBe(result);
    expect(check.message).toMatch(message);
    if (result === "problem") expect(check.fix).toBeTruthy();
  });

  test("reads the capabilities from the bounding set", () => {
    const status = (mask: string) => () => `Name:\tnode\nCapBnd:\t${mask}\n`;
    expect(missingCapabilities(status("000001ffffffffff"))).toEqual([]);
    expect(missingCapabilities(status("00000000a80425fb"))).toEqual(["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
    expect(missingCapabilities(() => undefined)).toEqual([]);
  });
});

describe("the first word of a run", () => {
  const network = "homespan:index:SiteNetwork";
  const quiet = (...bodies: readonly object[]): { lines: string[]; progress: Progress } => {
    const lines: string[] = [];
    const progress = new Progress(
      (line) => lines.push(line),
      false,
      () => 0,
    );
    for (const body of bodies) progress.handle(body);
    return { lines, progress };
  };

  test("says that it reads, and how much", () => {
    const { lines, progress } = quiet(
      { resourcePreEvent: step("refresh", network, "cloud") },
      { resourcePreEvent: step("same", network, "cloud") },
      { resourcePreEvent: step("refresh", network, "home") },
    );
    progress.firstWord();
    expect(lines).toEqual(["   0.0 s  reading what is there (2 resources so far)"]);
    progress.firstWord();
    expect(lines).toHaveLength(1);
    progress.heartbeat();
    expect(lines[1]).toBe("   0.0 s  still reading what is there (2 resources so far)");
  });

  test("is not said after another", () => {
    const { lines, progress } = quiet(
      { resourcePreEvent: step("create", network, "cloud") },
      { resOutputsEvent: step("create", network, "cloud") },
    );
    progress.firstWord();
    expect(lines).toHaveLength(1);
  });
});

describe("one JSON object", () => {
  test("of kubeconfig: its text, or where it was written", async () => {
    const made = withCluster(bed({ json: true }));
    await prepareStack(made.context, ci, []);
    await kubeconfig(made.context, ci, {});
    const file = join(made.folder, "kubeconfig.yaml");
    await kubeconfig(made.context, ci, { write: file });
    expect(made.printed.map((text) => JSON.parse(text) as unknown)).toEqual([
      { stack: "ci", kubeconfig: "apiVersion: v1" },
      { stack: "ci", path: file },
    ]);
  });

  test("of test, and nothing else on standard output", async () => {
    const made = bed({ json: true });
    const bin = join(made.folder, "node_modules/.bin");
    mkdirSync(bin, { recursive: true });
    const tool = (path: string, script: string): void => {
      writeFileSync(path, `#!/bin/sh\n${script}\n`);
      chmodSync(path, 0o755);
    };
    // It ends when the unit tests have begun: both run at the same time.
    tool(join(bin, "eslint"), "until [ -e unit-began ]; do sleep 0.02; done");
    tool(join(bin, "prettier"), "true");
    tool(join(bin, "tsc"), "echo error TS1; echo error TS2 >&2; exit 1");
    tool(join(made.folder, "shellcheck"), "true");
    const report = '{"numPassedTests":3,"numFailedTests":0,"numPendingTests":1,"numTodoTests":1}';
    tool(
      join(bin, "vitest"),
      `: >unit-began; for a in "$@"; do case $a in --outputFile*) echo '${report}' >"\${a#*=}" ;; esac; done`,
    );
    made.environment["PATH"] = `${made.folder}:${made.environment["PATH"]!}`;
    const context = { ...made.context, paths: { ...made.context.paths, checkout: made.folder } };
    const error = await failure(runTests(context, { quick: true, vitest: [] }));
    expect(error.message).toBe("failed: tsc");
    expect(made.said).toContain("error TS1\nerror TS2");
    expect(made.printed).toHaveLength(1);
    const found = JSON.parse(made.printed[0]!) as { suites: { name: string }[] };
    expect(found).toMatchObject({ command: "test", succeeded: false, passed: 3, failed: 1, skipped: 2 });
    expect(found.suites.map(({ name }) => name)).toEqual(["eslint", "prettier", "tsc", "shellcheck", "unit"]);
  });

  test("of toolchain", async () => {
    const made = bed({ json: true });
    await toolchain(made.context, {});
    const { tools } = JSON.parse(made.printed[0]!) as { tools: { tool: string }[] };
    expect(tools.map(({ tool }) => tool)).toContain("pulumi");
  });
});

test("help names the exit codes of signals and what --set is laid over", () => {
  const program = makeProgram(() => undefined);
  let main = "";
  program.configureOutput({ writeOut: (text) => void (main += text) }).outputHelp();
  expect(main).toMatch(/130, 143 +stopped by Ctrl-C or SIGTERM/);
  expect(main).toMatch(/up and preview start from the committed/);
  const help = (name: string): string =>
    program.commands.find((command) => command.name() === name)?.helpInformation() ?? "";
  for (const name of ["up", "preview", "ignition"]) expect(help(name)).toMatch(/over the\s+committed/);
  for (const name of ["recreate", "doctor", "env", "render"]) {
    expect(help(name)).toMatch(/over what the\s+stack last ran\s+with/);
  }
});

test("the size of Go's caches is the same everywhere", () => {
  const program = makeProgram(() => undefined);
  const clean = program.commands.find((command) => command.name() === "toolchain")?.commands[0];
  expect(clean?.description()).toContain(`(${goCaches.words})`);
  const text = readFileSync(join(checkout, "toolchain/README.md"), "utf8");
  expect(text).toContain(`${goCaches.words} for Go's caches`);
});
