import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
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
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { baseImages, images } from "../../components/upstream/images.ts";
import { baseOf } from "../../toolchain/images-base.ts";
import { clusterImagesFolder, prepareImages, prepareRehearsalImages } from "../../toolchain/images.ts";
import { stewardRevision } from "../../toolchain/steward-revision.ts";
import type { ImageContext } from "../../toolchain/types.ts";

let folder: string;
let store: string;
let context: ImageContext;

const executable = (path: string, text: string): void => {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
};
const calls = (): readonly string[] => readFileSync(join(store, "calls"), "utf8").trim().split("\n");
const contextOf = (name: string): readonly string[] =>
  readFileSync(join(store, `context-${name.replace(/[/:]/gu, "-")}`), "utf8")
    .trim()
    .split("\n");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-images-"));
  store = join(folder, "store");
  const cache = join(folder, "cache");
  const bin = join(folder, "bin");
  const tools = join(folder, "tools");
  for (const path of [store, join(cache, "images"), bin, join(tools, "cni")])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(store, "calls"), "");
  copyFileSync(join(import.meta.dirname, "fake-podman.sh"), join(bin, "podman"));
  executable(join(bin, "cc"), `#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho program >"$2"\n`);
  vi.stubEnv("PATH", `${bin}:${process.env["PATH"] ?? ""}`);
  vi.stubEnv("FAKE_STORE", store);

  // The base is there already: debootstrap is not what is tested.
  const root = join(folder, "root");
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
  ]) {
    executable(join(tools, tool), `#!/bin/sh\necho "${tool} 1.0"\n`);
  }
  context = {
    cache,
    online: false,
    toolPath: (name) => join(tools, name),
    machine: { platform: "linux", arch: "amd64", root: true, cgroup: "v2", sysResource: true, tun: true },
    reporter: { start: () => ({ detail: vi.fn(), done: vi.fn(), fail: vi.fn() }), note: vi.fn() },
  };
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe("without a registry", () => {
  it("builds every image under its name and archives those for pods", async () => {
    const rows = await prepareImages(context);

    expect(rows.map(({ name, source }) => [name, source])).toEqual(
      Object.values(images).map((name) => [name, "built"]),
    );
    expect(rows.filter(({ path }) => path !== null).map(({ path }) => path)).toEqual(
      ["pause", "coredns", "busybox"].map((key) => join(clusterImagesFolder(context.cache), `${key}.tar`)),
    );
    for (const { path } of rows) if (path !== null) expect(existsSync(path)).toBe(true);
  });

  it("gives each build what its Containerfile copies", async () => {
    await prepareImages(context);

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

  it("says on the image what is inside", async () => {
    await prepareImages(context);

    const build = calls().find((call) => call.endsWith("context") && call.includes(images.coredns));
    expect(build).toContain("--label=homespan.source=coredns: coredns 1.0");
  });

  it("asks Podman once and does nothing when everything is there", async () => {
    await prepareImages(context);
    writeFileSync(join(store, "calls"), "");

    await prepareImages(context);

    expect(calls()).toEqual(["images --format json"]);
  });

  it("builds only what a changed program is part of, and archives it again", async () => {
    await prepareImages(context);
    executable(context.toolPath("coredns"), "#!/bin/sh\necho coredns 2.0\n");
    writeFileSync(join(store, "calls"), "");

    await prepareImages(context);

    const builds = calls().filter((call) => /^(?:build|save|import)/u.test(call));
    expect(builds).toHaveLength(2);
    for (const call of builds) expect(call).toContain(images.coredns);
    expect(calls().some((call) => call.startsWith("rmi image-"))).toBe(true);
  });

  it("builds again what the store has lost", async () => {
    await prepareImages(context);
    execFileSync("sh", ["-c", 'rm $(grep -l "^docker.io/rancher/k3s" "$FAKE_STORE"/image-*)']);
    writeFileSync(join(store, "calls"), "");

    await prepareImages(context);

    expect(calls().filter((call) => call.startsWith("build"))).toHaveLength(1);
  });

  it("archives again what was deleted from the cache", async () => {
    await prepareImages(context);
    const archive = join(clusterImagesFolder(context.cache), "pause.tar");
    rmSync(archive);

    await prepareImages(context);

    expect(existsSync(archive)).toBe(true);
  });

  it("lets two runs at once build each image once", async () => {
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

  it("is built only when it is asked for, on the base of the others, and once", async () => {
    await prepareImages(context);
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
