/** How libvirt is asked in a folder, over a virsh in memory; what it is started with is a shell script. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Run } from "../../../provider/effects/process.ts";
import { PrivateLibvirtd } from "../../../rehearsal/libvirt/private-libvirtd.ts";
import { done, failed } from "../../provider/fake-podman.ts";

let folder: string;
let said: string[];
let pools: { all: string; active: string };
let down: boolean;

const run: Run = async (program, args) => {
  if (/^ip6?tables-save$/.test(program)) return done();
  expect(program).toBe("virsh");
  expect(args[2]).toBe(`qemu+unix:///system?socket=${join(folder, "run/libvirt-sock")}`);
  const words = args.slice(3).join(" ");
  said.push(words);
  if (down) return failed("error: failed to connect to the hypervisor");
  if (words === "pool-list --all --name") return done(pools.all);
  if (words === "pool-list --name") return done(pools.active);
  if (words === "list --name") return done("vm-1\n\n");
  if (words === "list --all --name") return done("vm-1\nvm-2\n");
  if (words === "vol-list default") return done(" vm-1-data.qcow2   /var/x\n a.ign  /var/y\n");
  return done();
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "libvirtd-"));
  [said, pools, down] = [[], { all: "", active: "" }, false];
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("one that answers is left as it is, and its folder lets QEMU through to nothing but what it is given", async () => {
  await new PrivateLibvirtd(folder, run).start("qemu");
  expect(said).toEqual(["version"]);
  expect(statSync(folder).mode & 0o777).toBe(0o711);
});

test("a pool is made once, and is active after a restart too", async () => {
  const libvirtd = new PrivateLibvirtd(folder, run);
  await libvirtd.ensurePool("default");
  const target = "/var/lib/libvirt/images/default";
  expect(said.filter((words) => !words.startsWith("pool-list"))).toEqual([
    `pool-define-as default dir --target ${target}`,
    "pool-autostart default",
    "pool-start default",
  ]);
  expect(statSync(join(folder, "var/images/default")).isDirectory()).toBe(true);
  [said, pools] = [[], { all: "default\n", active: "default\n" }];
  await libvirtd.ensurePool("default");
  expect(said.filter((words) => !words.startsWith("pool-list"))).toEqual(["pool-autostart default"]);
});

test("it tells its machines and volumes, and virsh's error where it cannot", async () => {
  const libvirtd = new PrivateLibvirtd(folder, run);
  expect(await libvirtd.domains()).toEqual(["vm-1", "vm-2"]);
  expect(await libvirtd.volumes("default")).toEqual(["a.ign", "vm-1-data.qcow2"]);
  down = true;
  await expect(libvirtd.domains()).rejects.toThrow(
    "virsh list --all failed: error: failed to connect to the hypervisor",
  );
});

test("it ends with what runs in it, and where it does not answer, or there is no virsh, nothing does", async () => {
  await new PrivateLibvirtd(folder, run).end();
  expect(said).toEqual(["version", "list --name", "destroy vm-1", "net-list --name"]);
  [said, down] = [[], true];
  await new PrivateLibvirtd(folder, run).end();
  expect(said).toEqual(["version"]);
  await new PrivateLibvirtd(folder, () => Promise.reject(new Error("virsh must be installed"))).end();
});

test("a folder with too long a name for a socket is refused", async () => {
  const libvirtd = new PrivateLibvirtd(join(folder, "x".repeat(90)), run);
  await expect(libvirtd.start("qemu")).rejects.toThrow(/^HOMESPAN_STATE must be shorter: /);
});
