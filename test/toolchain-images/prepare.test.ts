import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { baseImages, images, optionalImages } from "../../components/upstream/images.ts";
import { baseOf } from "../../toolchain/images-base.ts";
import {
  clusterImagesFolder,
  prepareImages,
  prepareRegistryImage,
  prepareRehearsalImages,
} from "../../toolchain/images.ts";
import { stewardRevision } from "../../toolchain/steward-revision.ts";
import type { ImageContext, ImageRow } from "../../toolchain/types.ts";

let folder: string;
let store: string;
let context: ImageContext;
/** A machine on which no image was made yet, and one on which all were, without a registry: each test has a copy of one. */
const templates = mkdtempSync(join(tmpdir(), "homespan-images-"));
const bare = join(templates, "bare");
const made = join(templates, "made");
let rows: readonly ImageRow[];

const executable = (path: string, text: string): void => {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
};
const calls = (): readonly string[] => readFileSync(join(store, "calls"), "utf8").trim().split("\n");
const contextOf = (name: string): readonly string[] =>
  readFileSync(join(store, `context-${name.replace(/[/:]/gu, "-")}`), "utf8")
    .trim()
    .split("\n");

function makeBare(): void {
  const cache = join(bare, "cache");
  const bin = join(bare, "bin");
  const tools = join(bare, "tools");
  for (const path of [join(bare, "store"), join(cache, "images"), bin, join(tools, "cni")])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(bare, "store", "calls"), "");
  copyFileSync(join(import.meta.dirname, "fake-podman.sh"), join(bin, "podman"));
  executable(join(bin, "cc"), `#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho program >"$2"\n`);
  // What this machine's apt is set to is nobody's business here.
  executable(join(bin, "apt-config"), "#!/bin/sh\n");

  // The base is there already: debootstrap is not what is tested.
  const root = join(bare, "root");
  mkdirSync(join(root, "etc/ssl/certs"), { recursive: true });
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  writeFileSync(join(root, "etc/ssl/certs/ca-certificates.crt"), "certificates");
  writeFileSync(join(root, "usr/bin/busybox"), "busybox");
  execFileSync("tar", ["-C", root, "-cf", baseOf(cache, "amd64").archive, "."]);

  writeFileSync(join(tools, "cni", "bridge"), "bridge");
  for (const tool of [
    "k3s",
    "tailscale",
    "tailscaled",
    "headscale",
    "coredns",
    "runc",
    "containerd-shim-runc-v2",
    "registry",
  ]) {
    executable(join(tools, tool), `#!/bin/sh\necho "${tool} 1.0"\n`);
  }
}

/** Goes to work on a copy of a template. */
function copyOf(template: string, copy = mkdtempSync(join(tmpdir(), "homespan-images-"))): void {
  cpSync(template, copy, { recursive: true, preserveTimestamps: true });
  folder = copy;
  store = join(folder, "store");
  vi.stubEnv("PATH", `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`);
  vi.stubEnv("FAKE_STORE", store);
  const tools = join(folder, "tools");
  context = {
    cache: join(folder, "cache"),
    online: false,
    toolPath: (name) => join(tools, name),
    machine: { platform: "linux", arch: "amd64", root: true, cgroup: "v2", sysResource: true, tun: true },
    reporter: { start: () => ({ detail: vi.fn(), done: vi.fn(), fail: vi.fn() }), note: vi.fn() },
  };
}

beforeAll(async () => {
  makeBare();
  copyOf(bare, made);
  rows = await prepareImages(context);
  vi.unstubAllEnvs();
}, 60_000);

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

afterAll(() => {
  rmSync(templates, { recursive: true });
});

describe("without a registry, all images", () => {
  beforeEach(() => {
    copyOf(made);
  });

  it("are built under their names, and those for pods are archived", () => {
    expect(rows.map(({ name, source }) => [name, source])).toEqual(
      Object.values(images).map((name) => [name, "built"]),
    );
    expect(rows.filter(({ path }) => path !== null).map(({ path }) => path)).toEqual(
      ["pause", "coredns", "busybox"].map((key) =>
        join(clusterImagesFolder(join(made, "cache")), `${key}.tar`),
      ),
    );
    for (const { path } of rows) if (path !== null) expect(existsSync(path)).toBe(true);
  });

  it("are given what their Containerfiles copy", () => {
    expect(contextOf(images.k3s)).toEqual([
      "bin/containerd-shim-runc-v2",
      "bin/k3s",
      "bin/runc",
      "cni/bridge",
    ]);
    expect(contextOf(images.headscale)).toEqual(["base/etc/ssl/certs/ca-certificates.crt", "bin/headscale"]);
    expect(contextOf(images.pause)).toEqual(["bin/pause"]);
    expect(contextOf(images.busybox)).toEqual(["base/usr/bin/busybox"]);
    expect(contextOf(images.steward)).toContain("images/steward/Containerfile");
    expect(contextOf(images.steward)).toContain("boot/sequence.sh");
  });

  it("say what is inside", () => {
    const build = calls().find((call) => call.endsWith("context") && call.includes(images.coredns));
    expect(build).toContain("--label=homespan.source=coredns: coredns 1.0");
  });

  it("cost one question to Podman when they are there", async () => {
    writeFileSync(join(store, "calls"), "");

    await prepareImages(context);

    expect(calls()).toEqual(["images --format json"]);
  });

  it("are left alone but those that a changed program is part of, which are archived again too", async () => {
    executable(context.toolPath("coredns"), "#!/bin/sh\necho coredns 2.0\n");
    writeFileSync(join(store, "calls"), "");

    await prepareImages(context);

    const builds = calls().filter((call) => /^(?:build|save|import)/u.test(call));
    expect(builds).toHaveLength(2);
    for (const call of builds) expect(call).toContain(images.coredns);
    expect(calls().some((call) => call.startsWith("rmi image-"))).toBe(true);
  });

  it("are built again where the store has lost them", async () => {
    execFileSync("sh", ["-c", 'rm $(grep -l "^docker.io/rancher/k3s" "$FAKE_STORE"/image-*)']);
    writeFileSync(join(store, "calls"), "");

    await prepareImages(context);

    expect(calls().filter((call) => call.startsWith("build"))).toHaveLength(1);
  });

  it("are archived again where that was deleted from the cache", async () => {
    const archive = join(clusterImagesFolder(context.cache), "pause.tar");
    rmSync(archive);

    await prepareImages(context);

    expect(existsSync(archive)).toBe(true);
  });
});

describe("a first run", () => {
  beforeEach(() => {
    copyOf(bare);
  });

  it("builds each image once, also where another runs at the same time", async () => {
    await Promise.all([prepareImages(context), prepareImages(context)]);

    expect(calls().filter((call) => call.startsWith("build"))).toHaveLength(Object.keys(images).length);
  });

  it("leaves nothing behind when a build fails, and names the command", async () => {
    executable(
      join(folder, "bin", "podman"),
      `#!/bin/sh\nif [ "$1" = build ]; then echo "no space left on device" >&2; exit 125; fi\necho '[]'\n`,
    );

    await expect(prepareImages(context)).rejects.toThrow(/podman build failed: no space left on device/u);
    const left = execFileSync("ls", [join(context.cache, "images")], { encoding: "utf8" });
    expect(left).not.toContain("build-");
  });
});

describe("with a registry", () => {
  beforeEach(() => {
    copyOf(bare);
  });

  it("pulls the upstream names, builds the steward on Debian's image and archives nothing", async () => {
    symlinkSync("/nonexistent", clusterImagesFolder(context.cache));
    await prepareImages({ ...context, online: true });

    const pulled = calls().filter((call) => call.startsWith("pull"));
    expect(pulled.map((call) => call.split(" ").at(-1)).sort()).toEqual(
      [...Object.values(images).filter((name) => name !== images.steward), baseImages.registry].sort(),
    );
    const builds = calls().filter((call) => call.startsWith("build"));
    expect(builds).toHaveLength(1);
    expect(builds[0]).toContain(`--build-arg=BASE=${baseImages.registry}`);
    // What a stack needs to know of an image whose name stays the same from build to build.
    expect(builds[0]).toContain(`--label=homespan.recipe=${stewardRevision(context.cache) ?? "none"} `);
  });

  it("pulls again what the store has with another content than the pinned one", async () => {
    const online = { ...context, online: true };
    const pin = { [images.headscale]: { digest: "sha256:pinned" } } as const;
    await prepareImages(online);
    writeFileSync(join(store, "calls"), "");

    await prepareImages(online, pin);

    expect(calls().filter((call) => call.startsWith("pull"))).toEqual([
      "pull --quiet docker.io/headscale/headscale@sha256:pinned",
    ]);
    writeFileSync(join(store, "calls"), "");
    await prepareImages(online, pin);
    expect(calls()).toEqual(["images --format json"]);
  });
});

describe("the machine of a rehearsal", () => {
  const machine = "localhost/homespan/machine:debian_12";
  beforeEach(() => {
    copyOf(made);
  });

  it("is built only when it is asked for, on the base of the others, and once", async () => {
    expect(calls().some((call) => call.includes(machine))).toBe(false);

    const rows = await prepareRehearsalImages(context);
    await prepareRehearsalImages(context);

    expect(rows).toEqual([{ name: machine, source: "built", path: null, size: 7 }]);
    const builds = calls().filter((call) => call.startsWith("build") && call.includes(machine));
    expect(builds).toHaveLength(1);
    expect(builds[0]).toContain(`--build-arg=BASE=${baseImages.built}`);
    expect(contextOf(machine)).toContain("images/machine/scripts/setup");
    expect(contextOf(machine)).toContain("cni/bridge");
  });
});

describe("the registry of a cluster", () => {
  const name = optionalImages.registry;
  beforeEach(() => {
    copyOf(made);
  });

  it("is built only when it is asked for, from its program and the CAs, and once", async () => {
    expect(calls().some((call) => call.includes(name))).toBe(false);

    const row = await prepareRegistryImage(context);
    await prepareRegistryImage(context);

    expect(row).toEqual({ name, source: "built", path: null, size: 7 });
    const builds = calls().filter((call) => call.startsWith("build") && call.includes(name));
    expect(builds).toHaveLength(1);
    expect(contextOf(name)).toEqual([
      "base/etc/ssl/certs/ca-certificates.crt",
      "bin/registry",
      "images/node/registry/config.yml",
    ]);
  });

  it("is pulled, once, where registries are reached, also in place of one that was built", async () => {
    await prepareRegistryImage(context);
    writeFileSync(join(store, "calls"), "");

    const row = await prepareRegistryImage({ ...context, online: true });
    await prepareRegistryImage({ ...context, online: true });

    expect(row).toMatchObject({ name, source: "registry" });
    expect(calls().filter((call) => /^(?:pull|build)/u.test(call))).toEqual([`pull --quiet ${name}`]);
  });
});
