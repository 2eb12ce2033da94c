import fc from "fast-check";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { existsSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { containersConf } from "../../toolchain/containers-conf.ts";
import { cacheFolder, runtimeFolder, socketsFolder, stateFolder } from "../../toolchain/folders.ts";
import { linkLanguageHost } from "../../toolchain/links.ts";
import { detectMachine, diskFreeBytes, findCommand, hardLimits } from "../../toolchain/machine.ts";
import type { MachineProbes } from "../../toolchain/machine.ts";
import { findGo } from "../../toolchain/modules.ts";
import { findOnPath } from "../../toolchain/on-path.ts";
import { chooseSource, forgetReach, registryReachable, sourceSetting } from "../../toolchain/reach.ts";
import { PINS } from "../../toolchain/pins.ts";
import { machine } from "./support/fixtures.ts";
import { temporaryFolder } from "./support/folders.ts";

const linux = (over: Partial<MachineProbes> = {}): MachineProbes => ({
  platform: "linux",
  arch: "x64",
  uid: 0,
  readFile: () => "CapBnd:\t000001ffffffffff\n",
  exists: () => true,
  opens: () => true,
  ...over,
});

async function program(folder: string, name: string, body = "exit 0"): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\n${body}\n`);
  await chmod(join(folder, name), 0o755);
  return join(folder, name);
}

describe("detectMachine", () => {
  it("sees a machine without limits", () => {
    expect(detectMachine(linux())).toEqual(machine);
  });

  it("sees a missing capability, cgroup v1, no tun device and no root", () => {
    const found = detectMachine(
      linux({
        uid: 1000,
        readFile: () => "CapBnd:\t000001fffeffffff\n",
        exists: (path) => path === "/sys/fs/cgroup",
        opens: () => false,
      }),
    );
    expect(found).toMatchObject({ root: false, sysResource: false, cgroup: "v1", tun: false });
  });

  it("knows a Mac", () => {
    const found = detectMachine(
      linux({ platform: "darwin", arch: "arm64", uid: 501, readFile: () => undefined, exists: () => false }),
    );
    expect(found).toMatchObject({
      platform: "darwin",
      arch: "arm64",
      cgroup: "v2",
      sysResource: true,
      tun: false,
    });
  });

  it("refuses what nothing here runs on", () => {
    expect(() => detectMachine(linux({ platform: "win32" }))).toThrow(
      /`platform` must be Linux or macOS, got win32/,
    );
    expect(() => detectMachine(linux({ arch: "riscv64" }))).toThrow(/`arch` must be .*, got riscv64/);
  });

  it("reads hard limits, and that Podman gives itself no more processes than pid_max", () => {
    const text = `Max processes             100                  96365                processes\nMax open files            20000                unlimited            files\n`;
    const files = (pidMax: string) => (path: string) => (path.endsWith("pid_max") ? pidMax : text);
    expect(hardLimits(files("4194304\n"))).toEqual({ nproc: 96365 });
    expect(hardLimits(files("32768\n"))).toEqual({ nproc: 32768 });
    expect(hardLimits(() => undefined)).toEqual({});
  });

  it("measures the disk of a folder that does not exist yet", () => {
    expect(diskFreeBytes("/tmp/not/there/yet")).toBeGreaterThan(0);
  });
});

describe("containersConf", () => {
  it("writes nothing where Podman's own settings work", () => {
    expect(containersConf(machine, { nofile: 1024 })).toBeUndefined();
  });

  it("names the hard limits without CAP_SYS_RESOURCE and runc on cgroup v1", () => {
    const text = containersConf(
      { ...machine, sysResource: false, cgroup: "v1" },
      { nofile: 20000, nproc: 1000 },
    );
    expect(text).toContain('[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=1000:1000"]\n');
    expect(text).toContain('[engine]\nruntime = "runc"\n');
  });
});

describe("folders", () => {
  it("what lasts until the machine's next start is below /run, a user's below its own directory there", () => {
    expect(runtimeFolder({ XDG_RUNTIME_DIR: "/run/user/0" }, 0)).toBe("/run");
    expect(runtimeFolder({ XDG_RUNTIME_DIR: "/tmp/mine" }, 1000)).toBe("/tmp/mine");
    expect(runtimeFolder({ XDG_RUNTIME_DIR: "" }, 1000)).toBe("/run/user/1000");
    expect(socketsFolder({}, 1000)).toBe("/run/user/1000/homespan");
  });

  it("follows our variables, then XDG's, then the home", () => {
    expect(cacheFolder({ HOMESPAN_CACHE: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
    expect(cacheFolder({ XDG_CACHE_HOME: "/b" })).toBe("/b/homespan");
    expect(cacheFolder({ HOMESPAN_CACHE: "" })).toMatch(/\/\.cache\/homespan$/);
    expect(stateFolder({})).toMatch(/\/\.local\/state\/homespan$/);
  });
});

describe("findGo", () => {
  it("looks on PATH, then in Go's default folder, else names the fix", async () => {
    const folder = temporaryFolder();
    const first = await program(join(folder, "path"), "go");
    const second = await program(join(folder, "default"), "go");
    expect(findGo(join(folder, "path"), join(folder, "default"))).toBe(first);
    expect(findGo("/nowhere", join(folder, "default"))).toBe(second);
    expect(() => findGo("/nowhere", "/nowhere")).toThrow(/https:\/\/go\.dev\/dl/);
  });

  it("does not take a folder for a command", async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, "go"));
    expect(findCommand("go", folder)).toBeUndefined();
  });
});

describe("Pulumi on PATH", () => {
  const pin = PINS.find((candidate) => candidate.name === "pulumi");
  if (pin === undefined) throw new Error("pinned");

  it.each([
    ["v3.250.0", true],
    ["v3.300.1", true],
    ["v3.249.9", false],
    ["nonsense", false],
  ])("%s is used: %s", async (version, used) => {
    const folder = temporaryFolder();
    const path = await program(join(folder, "usr"), "pulumi", `echo ${version}`);
    const found = await findOnPath(pin, join(folder, "cache"), join(folder, "usr"));
    expect(found?.path).toBe(used ? path : undefined);
  });

  it("asks a program for its version once", async () => {
    const folder = temporaryFolder();
    const asked = join(folder, "asked");
    await program(join(folder, "usr"), "pulumi", `echo x >>${asked}; echo v9.0.0`);
    const look = () => findOnPath(pin, join(folder, "cache"), join(folder, "usr"));
    await look();
    expect(await look()).toMatchObject({ version: "9.0.0" });
    await expect(import("node:fs/promises").then((fs) => fs.readFile(asked, "utf8"))).resolves.toBe("x\n");
  });

  it("never takes our own link for it", async () => {
    const cache = temporaryFolder();
    await program(join(cache, "tools"), "pulumi", "echo v9.0.0");
    await mkdir(join(cache, "bin"));
    await symlink("../tools/pulumi", join(cache, "bin", "pulumi"));
    expect(await findOnPath(pin, cache, join(cache, "bin"))).toBeUndefined();
  });

  it("never takes another checkout's wrapper for it", async () => {
    const folder = temporaryFolder();
    const wrappers = join(folder, "other/cli/path");
    const wrapper = await program(wrappers, "pulumi", "echo v9.0.0");
    const look = () => findOnPath(pin, join(folder, "cache"), wrappers);
    // Of any other project it is a program like all.
    expect(await look()).toMatchObject({ path: wrapper });
    await mkdir(join(folder, "other/toolchain"));
    await writeFile(join(folder, "other/toolchain/on-path.ts"), "");
    expect(await look()).toBeUndefined();
  });
});

describe("linkLanguageHost", () => {
  it("goes beside our own CLI, where Pulumi takes it without a warning", async () => {
    const cache = temporaryFolder();
    const pulumi = await program(join(cache, "tools"), "pulumi");
    await linkLanguageHost(pulumi, "/ours", cache, "/nowhere");
    expect(readlinkSync(join(cache, "tools", "pulumi-language-nodejs"))).toBe("/ours");
    expect(existsSync(join(cache, "bin", "pulumi-language-nodejs"))).toBe(false);
  });

  it("leaves an official host alone", async () => {
    const cache = temporaryFolder();
    const official = temporaryFolder();
    const pulumi = await program(official, "pulumi");
    const host = await program(official, "pulumi-language-nodejs");
    await linkLanguageHost(pulumi, "/ours", cache, "/nowhere");
    await linkLanguageHost(await program(join(cache, "tools"), "pulumi"), "/ours", cache, official);
    expect(existsSync(host)).toBe(true);
    expect(existsSync(join(cache, "bin"))).toBe(false);
    expect(existsSync(join(cache, "tools", "pulumi-language-nodejs"))).toBe(false);
  });
});

describe("the source", () => {
  it("is what HOMESPAN_SOURCE says", async () => {
    expect(sourceSetting({})).toBe("auto");
    expect(await chooseSource(sourceSetting({ HOMESPAN_SOURCE: "modules" }))).toBe("modules");
    expect(() => sourceSetting({ HOMESPAN_SOURCE: "internet" })).toThrow(
      '`HOMESPAN_SOURCE` must be download, modules or auto, got "internet"',
    );
  });

  it("is asked once per run, and a proxy's refusal is no answer", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 200, max: 599 }), async (status) => {
        forgetReach();
        let asked = 0;
        const ask = (_url: string, accepted: (status: number) => boolean): Promise<boolean> => {
          asked += 1;
          return Promise.resolve(accepted(status));
        };
        const first = await chooseSource("auto", ask);
        expect(await chooseSource("auto", ask)).toBe(first);
        expect(asked).toBe(1);
        expect(first).toBe(status < 400 ? "download" : "modules");
      }),
    );
    forgetReach();
  });

  it("remembers the registry for the next run", async () => {
    const cache = temporaryFolder();
    expect(await registryReachable("auto", cache, () => Promise.resolve(true))).toBe(true);
    expect(await registryReachable("auto", cache, () => Promise.reject(new Error("asked again")))).toBe(true);
    expect(await registryReachable("modules", cache)).toBe(false);
  });
});
