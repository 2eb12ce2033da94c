import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clean } from "../../toolchain/index.ts";
import { findInstalled, installTool, toolFolder } from "../../toolchain/install.ts";
import { compilerMemory } from "../../toolchain/modules.ts";
import type { SourceSetting } from "../../toolchain/reach.ts";
import { ensureTools, neededPins } from "../../toolchain/tools.ts";
import type { ToolContext } from "../../toolchain/tools.ts";
import { PINS } from "../../toolchain/pins.ts";
import { fakeGo, fakePin, machine, recorder } from "./support/fixtures.ts";
import { temporaryFolder } from "./support/folders.ts";
import { startReleaseServer } from "./support/server.ts";
import type { ReleaseServer } from "./support/server.ts";

const installOnceScript = fileURLToPath(new URL("support/install-once.ts", import.meta.url));

describe("installing a tool", () => {
  let cache: string;
  let server: ReleaseServer;
  let reporter: ReturnType<typeof recorder>;
  beforeEach(async () => {
    cache = temporaryFolder();
    server = await startReleaseServer(Buffer.from("#!/bin/sh\necho released\n"), "tool");
    reporter = recorder();
  });
  afterEach(async () => {
    await server.close();
    await rm(cache, { recursive: true, force: true });
  });

  const context = (bin: string, setting: SourceSetting = "auto"): ToolContext => ({
    cache,
    machine,
    reporter,
    environment: { PATH: `${bin}:/usr/bin:/bin` },
    setting,
    downloadOptions: { attempts: 1 },
    chooseSource: () => Promise.resolve(setting === "modules" ? "modules" : "download"),
    beforeBuilding: () => Promise.resolve(),
  });
  const tools = (): string[] => readdirSync(join(cache, "tools", "tool"));
  const calls = (): string[] => readFileSync(join(cache, "go-calls"), "utf8").trim().split("\n");

  /** A run of its own that installs the tool. */
  const installOnce = (...args: string[]) =>
    execa(process.execPath, ["--disable-warning=ExperimentalWarning", installOnceScript, cache, ...args]);

  it("builds with exactly the recipe's flags, with Go's caches inside the cache", async () => {
    const bin = await fakeGo(cache);
    const installed = await installTool(fakePin(), "modules", context(bin));
    expect(calls()).toEqual([
      "mod init homespan.local/tool",
      "get example.com/tool@v1.9.0",
      "env GOVERSION",
      expect.stringMatching(
        /^build -v -trimpath -gcflags=all=-dwarf=false -ldflags -s -w -X example\.com\/tool\.Go=go1\.99\.0 -o \S+\/tool example\.com\/tool$/,
      ),
    ]);
    expect(installed).toMatchObject({ version: "1.9", source: "modules", size: 6 });
    expect(statSync(join(installed.folder, "tool")).mode & 0o111).toBe(0o111);
  });

  it("lets the compiler keep its garbage where there is memory for it and nobody said otherwise", () => {
    const GiB = 2 ** 30;
    expect(compilerMemory({}, { bytes: 24 * GiB, cores: 2 })).toEqual({ GOGC: "off", GOMEMLIMIT: "6144MiB" });
    expect(compilerMemory({}, { bytes: 8 * GiB, cores: 4 })).toEqual({});
    expect(compilerMemory({ GOGC: "100" }, { bytes: 24 * GiB, cores: 2 })).toEqual({});
  });

  it("is found again without building, and only under the same recipe", async () => {
    const bin = await fakeGo(cache);
    await installTool(fakePin(), "modules", context(bin));
    const before = calls().length;
    expect((await ensureTools([fakePin()], context(bin, "modules")))[0]?.installed?.source).toBe("modules");
    expect(calls()).toHaveLength(before);
    const pin = fakePin();
    const newer = pin.modules === undefined ? pin : { ...pin, modules: { ...pin.modules, version: "1.10" } };
    expect(findInstalled(newer, ["modules"], cache, machine)).toBeUndefined();
  });

  it("leaves nothing behind when a build fails, and says where the rest is", async () => {
    const bin = await fakeGo(cache, "x.go:1: write: no space left on device");
    await expect(installTool(fakePin(), "modules", context(bin))).rejects.toThrow(
      /go build failed: x\.go:1: .*; free some space.*logs\/tool\.log/,
    );
    expect(tools()).toEqual([]);
    expect(findInstalled(fakePin(), ["modules"], cache, machine)).toBeUndefined();
  });

  it("replaces a folder without a stamp", async () => {
    const folder = toolFolder(fakePin(), "modules", cache, machine);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "tool"), "half");
    const bin = await fakeGo(cache);
    await installTool(fakePin(), "modules", context(bin));
    expect(readFileSync(join(folder, "tool"), "utf8")).toBe("built\n");
  });

  it("builds once when two runs want the same tool at the same time", async () => {
    const bin = await fakeGo(cache);
    const runs = await Promise.all([installOnce(bin), installOnce(bin)]);
    expect(new Set(runs.map((run) => run.stdout)).size).toBe(1);
    expect(calls().filter((call) => call.startsWith("build"))).toHaveLength(1);
    expect(tools()).toHaveLength(1);
  });

  it("downloads once when two runs want the same tool at the same time", async () => {
    // About a second: long enough that both want it before one has it.
    server.behaviour = { kind: "trickles", bytes: 3, everyMs: 120 };
    const runs = await Promise.all([1, 2].map(() => installOnce("/nowhere", server.url, server.sums)));
    expect(new Set(runs.map((run) => run.stdout)).size).toBe(1);
    expect((await execa(join(runs[0]!.stdout, "tool"))).stdout).toBe("released");
    expect(server.ranges).toEqual([""]);
    expect(tools()).toHaveLength(1);
  });

  it("installs the official release and links it", async () => {
    const states = await ensureTools([fakePin(server)], context("/nowhere"));
    expect(states[0]?.installed).toMatchObject({ version: "2.0", source: "download" });
    const link = join(cache, "bin", "also");
    expect(readlinkSync(link)).toMatch(/^\.\.\/tools\/tool\/[0-9a-f]{16}\/tool$/);
    expect((await execa(link)).stdout).toBe("released");
    expect(readdirSync(join(cache, "downloads"))).toEqual([]);
  });

  it("brings the files that a program reads when it runs, from either source", async () => {
    const text = (folder: string): string => readFileSync(join(folder, "cfg/part/read-me"), "utf8");
    const { modules, ...pin } = fakePin();
    if (modules === undefined) throw new Error("the pin has a module recipe");
    const sets = modules.sets.map((set) => ({ ...set, assets: { "go.mod": "cfg/part/read-me" } }));
    const built = await installTool(
      { ...pin, modules: { ...modules, sets } },
      "modules",
      context(await fakeGo(cache)),
    );
    expect(text(built.folder)).toBe("module homespan.local/tool\n");

    const release = join(cache, "release");
    await mkdir(join(release, "part"), { recursive: true });
    await writeFile(join(release, "tool"), "#!/bin/sh\n");
    await writeFile(join(release, "part/read-me"), "released\n");
    const archive = join(cache, "tool-1.0.tar.gz");
    await execa("tar", ["-czf", archive, "-C", release, "tool", "part"]);
    const releases = await startReleaseServer(readFileSync(archive));
    const { url, sums } = releases;
    const files = { tool: "tool", "part/read-me": "cfg/part/read-me" };
    const download = {
      version: "2.0",
      archive: "tar.gz",
      files,
      platforms: { "linux/amd64": { url, sums } },
    } as const;
    try {
      const installed = await installTool({ ...pin, download }, "download", context("/nowhere"));
      expect(text(installed.folder)).toBe("released\n");
    } finally {
      await releases.close();
    }
  });

  it("falls back to the module with one line when a download fails", async () => {
    server.behaviour = { kind: "wrong-sum" };
    const bin = await fakeGo(cache);
    const states = await ensureTools([fakePin(server)], context(bin));
    expect(states[0]?.installed?.source).toBe("modules");
    const notes = reporter.lines.filter((line) => line.startsWith("note"));
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^note tool: building it from its Go module instead \(checksum of .* must be/);
  });

  it("does not fall back when downloads were asked for", async () => {
    server.behaviour = { kind: "missing" };
    const bin = await fakeGo(cache);
    await expect(ensureTools([fakePin(server)], context(bin, "download"))).rejects.toThrow(
      /`tool` cannot be installed: .* answered 404/,
    );
    expect(existsSync(join(cache, "go-calls"))).toBe(false);
  });

  it("does not build what the official release of another tool carries", async () => {
    const bin = await fakeGo(cache);
    const carried = { ...fakePin(), name: "carried", includedIn: "tool", links: {} };
    const states = await ensureTools([fakePin(server), carried], context(bin));
    expect(states.map((state) => state.installed?.source)).toEqual(["download", undefined]);
    expect(existsSync(join(cache, "go-calls"))).toBe(false);
    const alone = await ensureTools([fakePin(), carried], { ...context(bin, "modules") });
    expect(alone.map((state) => state.installed?.source)).toEqual(["modules", "modules"]);
  });

  it("downloads the modules of the next tool while one is compiled", async () => {
    const bin = await fakeGo(cache);
    const [first, second] = ["first", "second"].map((name) => {
      const pin = fakePin();
      const sets = pin.modules!.sets.map((set) => ({ ...set, workspace: name }));
      return { ...pin, name, links: {}, modules: { ...pin.modules!, sets } };
    });
    await ensureTools([first!, second!], context(bin, "modules"));
    const asked = calls().map((call) => call.split(" ")[0]);
    expect(calls()).toContain("list -e -deps example.com/tool");
    expect(asked.indexOf("list")).toBeLessThan(asked.lastIndexOf("build"));
    expect(calls().filter((call) => call === "get example.com/tool@v1.9.0")).toHaveLength(2);
  });

  it("lets go of what runs ahead when a build fails", async () => {
    const bin = await fakeGo(cache, "compiler says no");
    const second = { ...fakePin(), name: "second", links: {} };
    await expect(ensureTools([fakePin(), second], context(bin, "modules"))).rejects.toThrow(
      "compiler says no",
    );
    expect(calls().filter((call) => call.startsWith("build"))).toHaveLength(1);
  });

  it("gives back Go's caches, read-only as they are, and keeps the tools", async () => {
    const bin = await fakeGo(cache);
    await installTool(fakePin(), "modules", context(bin));
    const module = join(cache, "go", "mod", "example.com");
    await mkdir(module, { recursive: true });
    await writeFile(join(module, "go.mod"), "module example.com");
    await chmod(module, 0o555);
    await clean("go", cache);
    expect(existsSync(join(cache, "go"))).toBe(false);
    expect(existsSync(join(cache, "src"))).toBe(false);
    expect(tools()).toHaveLength(1);
    await clean("all", cache);
    expect(existsSync(join(cache, "tools"))).toBe(false);
  });

  it("stops before building on a disk that is too small", async () => {
    const bin = await fakeGo(cache);
    const pin = fakePin();
    if (pin.modules === undefined) throw new Error("has a recipe");
    const huge = { ...pin, modules: { ...pin.modules, cacheGiB: 1e9 } };
    await expect(ensureTools([huge], context(bin, "modules"))).rejects.toThrow(
      /^free space at .* must be at least \d+\.0 GiB for building tool from Go modules, got .* GiB; free some, or set HOMESPAN_CACHE/,
    );
  });

  it("puts an official plugin under its own version, off PATH", async () => {
    const pin = {
      ...fakePin(server),
      plugin: "tool",
      links: { "pulumi-resource-tool": "pulumi-resource-tool" },
    };
    const download = pin.download;
    if (download === undefined) throw new Error("has a download");
    const plugin = { ...pin, download: { ...download, files: { tool: "pulumi-resource-tool" } } };
    await ensureTools([plugin], context("/nowhere"));
    expect(existsSync(join(cache, "pulumi-home/plugins/resource-tool-v2.0/pulumi-resource-tool"))).toBe(true);
    expect(existsSync(join(cache, "bin", "pulumi-resource-tool"))).toBe(false);
  });
});

describe("neededPins", () => {
  it("leaves out what only images need when they are pulled", () => {
    const names = neededPins(PINS, ["core"], false).map((pin) => pin.name);
    expect(names).toContain("pulumi");
    expect(names).not.toContain("runc");
    expect(names).not.toContain("k3d");
  });
});
