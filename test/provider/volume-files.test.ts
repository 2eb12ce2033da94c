/** Files written straight into a volume's directory. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readArchive } from "../../provider/effects/archive.ts";
import { PodmanNodeAccess } from "../../provider/effects/podman-node-access.ts";
import { fillVolume, writeVolumeFiles } from "../../provider/effects/volume-files.ts";
import { sha256 } from "../../provider/logic/join-files.ts";
import { FakePodman } from "./fake-podman.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "volume-files-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const file = (path: string, content = path, mode = 0o644) => ({ path, content, mode });
const modeOf = (path: string): number => statSync(join(folder, path)).mode & 0o777;

it("puts files in place with their modes, whatever the process's mask, and tells their sums", async () => {
  const former = process.umask(0o077);
  try {
    const files = [file("etc/rancher/k3s/config.yaml"), file("secrets/agent-token", "t", 0o600)];
    expect(await writeVolumeFiles(folder, files)).toEqual({
      "etc/rancher/k3s/config.yaml": sha256("etc/rancher/k3s/config.yaml"),
      "secrets/agent-token": sha256("t"),
    });
  } finally {
    process.umask(former);
  }
  expect(modeOf("etc/rancher/k3s/config.yaml")).toBe(0o644);
  expect(modeOf("etc/rancher/k3s")).toBe(0o755);
  expect(modeOf("secrets/agent-token")).toBe(0o600);
  expect(modeOf("secrets")).toBe(0o700);
  expect(readdirSync(join(folder, "secrets"))).toEqual(["agent-token"]);
});

it("puts last what others wait for", async () => {
  const order = ["steward/node.conf", "join.conf", "secrets/authkey", "boot/ca.pem", "secrets/agent-token"];
  const sums = await writeVolumeFiles(
    folder,
    order.map((path) => file(path)),
  );
  expect(Object.keys(sums)).toEqual([
    "boot/ca.pem",
    "secrets/agent-token",
    "join.conf",
    "secrets/authkey",
    "steward/node.conf",
  ]);
});

it("writes nothing when one path leads outside, by its name or by a link", async () => {
  const outside = join(folder, "outside");
  const data = join(folder, "data");
  mkdirSync(outside);
  mkdirSync(data);
  symlinkSync(outside, join(data, "rancher"));
  for (const path of ["../outside/x", "rancher/x", "rancher/k3s/x"]) {
    await expect(writeVolumeFiles(data, [file("join.conf"), file(path)])).rejects.toThrow(
      `\`path\` must stay below the data directory, got "${path}"`,
    );
  }
  expect(readdirSync(outside)).toEqual([]);
  expect(existsSync(join(data, "join.conf"))).toBe(false);
});

it("replaces a link instead of following it", async () => {
  const outside = join(folder, "secret");
  mkdirSync(join(folder, "data"));
  symlinkSync(outside, join(folder, "data/join.conf"));
  await writeVolumeFiles(join(folder, "data"), [file("join.conf", "MODE=join\n")]);
  expect(readFileSync(join(folder, "data/join.conf"), "utf8")).toBe("MODE=join\n");
  expect(existsSync(outside)).toBe(false);
});

it("is what a node on this machine gets its files by, while its steward runs, and a new volume too", async () => {
  const podman = new FakePodman();
  const name = "homespan-ci-agent-1";
  podman.volumes.set(`${name}-data`, { name: `${name}-data`, labels: {}, mountpoint: folder });
  const steward = { name: `${name}-steward`, running: true, labels: {}, pod: name, networks: [] };
  podman.containers.set(steward.name, steward);
  const access = new PodmanNodeAccess(podman);
  const transport = { kind: "podman", container: steward.name } as const;
  await access.put(transport, [file("join.conf", "MODE=join\n")]);
  expect(readFileSync(join(folder, "join.conf"), "utf8")).toBe("MODE=join\n");
  expect(podman.execs).toEqual([]);
  podman.containers.set(steward.name, { ...steward, running: false });
  await expect(access.put(transport, [file("join.conf", "MODE=init\n")])).rejects.toThrow("writing files on");
  expect(readFileSync(join(folder, "join.conf"), "utf8")).toBe("MODE=join\n");
  await fillVolume(podman, `${name}-data`, [file("steward/node.conf")]);
  expect(existsSync(join(folder, "steward/node.conf"))).toBe(true);
  expect(podman.commands).toEqual([]);
});

it("is an import of an archive where the volume is on another machine", async () => {
  const podman = new FakePodman();
  let archive: Uint8Array | undefined;
  podman.command = async (args, options) => {
    expect(args).toEqual(["volume", "import", "v", "-"]);
    archive = options?.input as Uint8Array;
    return "";
  };
  await fillVolume(podman, "v", [file("a/b", "c")]);
  expect([...(await readArchive(archive!)).entries()]).toEqual([["a/b", "c"]]);
});
