/** What a user sees of the toolchain: the lines while a tool is made, and the list of all. */
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { lineReporter } from "../../cli/tools.ts";
import { toolchain } from "../../cli/verbs/toolchain.ts";
import { toolFolder } from "../../toolchain/install.ts";
import { detectMachine } from "../../toolchain/machine.ts";
import { PINS } from "../../toolchain/pins.ts";
import type { MakeSource } from "../../toolchain/recipe.ts";
import type { ToolRow } from "../../toolchain/types.ts";
import type { Bed, BedOptions } from "./bed.ts";
import { bed } from "./verb-support.ts";

describe("while a tool is made", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("long work says what it is, how long it takes in all, and twice a minute how long it has taken", () => {
    const { context, said } = bed();
    const task = lineReporter(context).start("k3s 1.35.1 (from its Go module)", 1210);
    vi.advanceTimersByTime(999);
    expect(said).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(said.splice(0)).toEqual(["  k3s 1.35.1 (from its Go module) ... (about 20 min 10 s in all)"]);
    vi.advanceTimersByTime(29_000);
    expect(said.splice(0)).toEqual(["  k3s 1.35.1 (from its Go module): 30.0 s, about 20 min 10 s in all"]);
    task.detail("compiling runtime");
    task.detail("compiling net/http");
    vi.advanceTimersByTime(59_999);
    expect(said.splice(0)).toEqual([
      "  k3s 1.35.1 (from its Go module): 1 min 00 s, about 20 min 10 s in all: compiling net/http",
    ]);
    vi.advanceTimersByTime(5001);
    expect(said.splice(0)).toEqual([
      "  k3s 1.35.1 (from its Go module): 1 min 30 s, about 20 min 10 s in all: compiling net/http",
    ]);
    task.done();
    vi.advanceTimersByTime(120_000);
    expect(said).toEqual(["  k3s 1.35.1 (from its Go module): done (1 min 35 s)"]);
  });

  test("work of which nobody knows how long it takes says only how long it has taken, and why it failed", () => {
    const { context, said } = bed();
    const task = lineReporter(context).start("kubectl 1.35.1 (official release)");
    vi.advanceTimersByTime(31_000);
    task.fail("no such file");
    vi.advanceTimersByTime(120_000);
    expect(said).toEqual([
      "  kubectl 1.35.1 (official release) ...",
      "  kubectl 1.35.1 (official release): 30.0 s",
      "  kubectl 1.35.1 (official release): FAILED after 31.0 s: no such file",
    ]);
  });

  test("work of less than a second says nothing", () => {
    const { context, said } = bed();
    const task = lineReporter(context).start("pulumi 3.250.0 (official release)", 60);
    vi.advanceTimersByTime(900);
    task.done();
    vi.advanceTimersByTime(120_000);
    expect(said).toEqual([]);
  });
});

describe("the list of tools", () => {
  const pin = (name: string) => PINS.find((candidate) => candidate.name === name)!;

  /** Two tools in the cache, one on PATH, the others nowhere. */
  function installed(options: BedOptions): Bed & { readonly paths: Readonly<Record<string, string>> } {
    const made = bed(options);
    const install = (name: string, source: MakeSource, version: string, size: number): string => {
      const folder = toolFolder(pin(name), source, made.context.paths.cache, detectMachine());
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "tool.json"), JSON.stringify({ name, version, source, size }));
      return join(folder, name);
    };
    const bin = join(made.folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "pulumi"), "#!/bin/sh\necho v99.1.2\n", { mode: 0o755 });
    made.environment["PATH"] = `${bin}:${made.environment["PATH"]!}`;
    const paths = {
      pulumi: join(bin, "pulumi"),
      headscale: install("headscale", "modules", "0.29.0-built", 3 * 2 ** 20),
      k3d: install("k3d", "download", "5.8.3-released", 25_480_397),
    };
    return { ...made, paths };
  }

  test("has the version, source, path and size of each, as JSON", async () => {
    const { context, printed, paths } = installed({ json: true });
    await toolchain(context, {});
    const { tools } = JSON.parse(printed[0]!) as { tools: ToolRow[] };
    const row = (name: string): ToolRow | undefined => tools.find(({ tool }) => tool === name);
    expect(row("headscale")).toEqual({
      ...{ tool: "headscale", group: "core", version: "0.29.0-built", source: "modules" },
      ...{ path: paths["headscale"], size: 3_145_728 },
      offered: { download: pin("headscale").download!.version, modules: pin("headscale").modules!.version },
    });
    expect(row("k3d")).toMatchObject({
      ...{ group: "bench", version: "5.8.3-released", source: "download" },
      ...{ path: paths["k3d"], size: 25_480_397 },
    });
    const path = paths["pulumi"]!;
    expect(row("pulumi")).toMatchObject({
      version: "99.1.2",
      source: "path",
      path,
      size: statSync(path).size,
    });
    expect(row("butane")).toMatchObject({
      ...{ version: pin("butane").modules!.version, source: null, path: null, size: null },
      offered: { download: null },
    });
  });

  test("has them as a table", async () => {
    const { context, printed, paths } = installed({});
    await toolchain(context, {});
    const cells = printed[0]!.split("\n").map((line) => line.split(/ {2,}/));
    const row = (name: string): string[] | undefined => cells.find(([tool]) => tool === name);
    expect(cells[0]).toEqual(["TOOL", "GROUP", "VERSION", "SOURCE", "SIZE", "PATH"]);
    expect(row("headscale")).toEqual([
      ...["headscale", "core", "0.29.0-built", "modules", "3.0 MiB", paths["headscale"]],
    ]);
    expect(row("k3d")).toEqual(["k3d", "bench", "5.8.3-released", "download", "24.3 MiB", paths["k3d"]]);
    expect(row("pulumi")).toEqual(["pulumi", "core", "99.1.2", "path", "0.0 MiB", paths["pulumi"]]);
    const butane = pin("butane").modules!.version;
    expect(row("butane")).toEqual(["butane", "test", butane, "not installed", "-", "-"]);
  });
});
