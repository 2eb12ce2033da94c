/** The machine image's scripts below a root of their own, on kinds of machines this one need not be. */
import { execa } from "execa";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const scripts = join(import.meta.dirname, "../../../images/machine/scripts");
const full = "000001ffffffffff";
const withoutSysResource = "000001fffeffffff";
const kubelet = "etc/rancher/k3s/config.yaml.d/00-machine.yaml";
const template = "var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl";
const containerd = "var/lib/rancher/k3s/agent/etc/containerd/machine.toml";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "homespan-machine-"));
  // Writes down how it was called; mountpoint finds what `mounted` holds.
  fake(
    "mount",
    'echo "mount $*" >>"$MACHINE_ROOT/calls"; for last; do :; done; echo "$last" >>"$MACHINE_ROOT/mounted"',
  );
  fake("umount", 'echo "umount $*" >>"$MACHINE_ROOT/calls"; : >"$MACHINE_ROOT/mounted"');
  fake("mountpoint", 'for last; do :; done; grep -qxF "$last" "$MACHINE_ROOT/mounted" 2>/dev/null');
  fake("findmnt", 'cat "$MACHINE_ROOT/fsroot"');
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
function fake(name: string, body: string): void {
  put(`bin/${name}`, `#!/bin/sh\n${body}\n`);
  chmodSync(join(root, "bin", name), 0o755);
}
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const calls = (): string[] => (existsSync(join(root, "calls")) ? read("calls").trim().split("\n") : []);
async function run(script: string): Promise<void> {
  await execa("sh", [join(scripts, script)], {
    env: { MACHINE_ROOT: root, PATH: `${root}/bin:${process.env["PATH"] ?? ""}` },
  });
}
function machine(kind: { readonly cgroup: "v1" | "v2"; readonly capabilities: string }): void {
  put("proc/self/status", `Name:\tsh\nCapEff:\t0000000000000000\nCapBnd:\t${kind.capabilities}\n`);
  rmSync(join(root, "sys"), { recursive: true, force: true });
  if (kind.cgroup === "v2") put("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
}

test("shellcheck finds nothing", async ({ skip }) => {
  const files = ["init", "setup", "disks", "fit-k3s"].map((name) => join(scripts, name));
  const checked = await execa("shellcheck", files, { reject: false });
  skip(checked.code === "ENOENT", "shellcheck is missing");
  expect(checked.stdout).toBe("");
});

describe("fit-k3s", () => {
  test("leaves an ordinary machine alone, also one that was restricted before", async () => {
    machine({ cgroup: "v1", capabilities: withoutSysResource });
    await run("fit-k3s");
    expect(existsSync(join(root, kubelet))).toBe(true);
    machine({ cgroup: "v2", capabilities: full });
    await run("fit-k3s");
    for (const path of [kubelet, template, containerd]) expect(existsSync(join(root, path))).toBe(false);
  });

  test("on cgroup v1 makes kubelet accept it, and both drive cgroups themselves", async () => {
    machine({ cgroup: "v1", capabilities: full });
    await run("fit-k3s");
    expect(parse(read(kubelet))).toEqual({
      "kubelet-arg+": ["fail-cgroupv1=false", "cgroup-driver=cgroupfs"],
    });
    expect(read(template)).toBe(
      'imports = ["/var/lib/rancher/k3s/agent/etc/containerd/machine.toml"]\n{{ template "base" . }}\n',
    );
    expect(read(containerd)).toContain("SystemdCgroup = false");
    expect(read(containerd)).not.toContain("restrict_oom_score_adj");
  });

  test("without CAP_SYS_RESOURCE makes containerd lower no OOM score", async () => {
    machine({ cgroup: "v2", capabilities: withoutSysResource });
    await run("fit-k3s");
    expect(existsSync(join(root, kubelet))).toBe(false);
    expect(read(containerd)).toBe(
      "version = 3\n\n[plugins.'io.containerd.cri.v1.runtime']\n  restrict_oom_score_adj = true\n",
    );
  });

  test("gives k3s the images that came with the machine, once", async () => {
    machine({ cgroup: "v2", capabilities: full });
    await run("fit-k3s");
    expect(calls()).toEqual([]);
    put("opt/images/pause.tar", "");
    await run("fit-k3s");
    await run("fit-k3s");
    expect(calls()).toEqual([`mount --bind ${root}/opt/images ${root}/var/lib/rancher/k3s/agent/images`]);
  });
});

describe("disks", () => {
  const data = (): string => `${root}/var/lib/machine/own/data`;
  beforeEach(() => {
    mkdirSync(join(root, "var/lib/machine/own"), { recursive: true });
  });

  test("without a disk leaves the machine's own at /data", async () => {
    await run("disks");
    expect(existsSync(data())).toBe(true);
    expect(calls()).toEqual([]);
  });

  test("mounts the first one, and nothing when it is there already", async () => {
    put("var/lib/machine/own/attached", "one\ntwo\n");
    await run("disks");
    expect(calls()).toEqual([`mount --bind ${root}/var/lib/machine/disks/one ${data()}`]);
    put("fsroot", "/volumes/homespan-x-disks/_data/one\n");
    await run("disks");
    expect(calls()).toHaveLength(1);
  });

  test("takes away a disk that is detached, and puts another in its place", async () => {
    put("mounted", `${data()}\n`);
    put("fsroot", "/volumes/homespan-x-disks/_data/one\n");
    put("var/lib/machine/own/attached", "two\n");
    await run("disks");
    expect(calls()).toEqual([
      `umount --lazy ${data()}`,
      `mount --bind ${root}/var/lib/machine/disks/two ${data()}`,
    ]);
    put("var/lib/machine/own/attached", "");
    put("fsroot", "/volumes/homespan-x-disks/_data/two\n");
    await run("disks");
    expect(calls().slice(2)).toEqual([`umount --lazy ${data()}`]);
  });
});

describe("setup", () => {
  test("adds the world's certificates once", async () => {
    const pem = "-----BEGIN CERTIFICATE-----\nMIIBworld\n-----END CERTIFICATE-----\n";
    put("usr/lib/machine/disks", "#!/bin/sh\n");
    chmodSync(join(root, "usr/lib/machine/disks"), 0o755);
    put("etc/ssl/certs/ca-certificates.crt", "public ones\n");
    put("usr/local/share/ca-certificates/world.crt", pem);
    await run("setup");
    await run("setup");
    expect(read("etc/ssl/certs/ca-certificates.crt")).toBe(`public ones\n${pem}`);
  });
});
