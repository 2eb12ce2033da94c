/**
 * The ci stack on Podman without root, on cgroup v2: in a virtual machine, whose user is nobody special. One node: without KVM two take
 * longer than Kubernetes waits. Run: ./homespan test --long rootless
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { note } from "../e2e/support/report.ts";
import { RootlessLab, type Said } from "../vm/rootless/lab.ts";

let lab: RootlessLab;

beforeAll(async () => {
  const started = Date.now();
  lab = await RootlessLab.start();
  note("a machine with cgroup v2, with the images in ada's Podman", (Date.now() - started) / 1000);
}, 45 * 60_000);
afterAll(async () => {
  await lab.stop();
});

/** In a checkout with its tools, of a machine that reaches nothing. */
async function homespan(words: string, seconds: number): Promise<Said> {
  const started = Date.now();
  const said = await lab.tried(`cd homespan && HOMESPAN_SOURCE=modules CI=true ./homespan ${words}`, seconds);
  note(`./homespan ${words}`, (Date.now() - started) / 1000);
  return said;
}

interface Told {
  readonly machine: readonly { readonly name: string; readonly result: string; readonly message: string }[];
}

test("doctor finds a machine that runs nodes without root", async () => {
  const { stdout } = await homespan("doctor --json", 120);
  const { machine } = JSON.parse(stdout) as Told;
  expect(machine.filter(({ result }) => result === "problem")).toEqual([]);
  expect(machine).toContainEqual(expect.objectContaining({ name: "root", result: "notice" }));
  expect(machine).toContainEqual(
    expect.objectContaining({ name: "delegation", message: "cpu cpuset io memory pids are handed down" }),
  );
}, 180_000);

test("a module that is missing is a problem before anything is made", async () => {
  await lab.ada("sudo modprobe -r br_netfilter");
  const { code, stderr } = await homespan("up --yes --set agents=0", 300);
  await lab.ada("sudo modprobe br_netfilter");
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(/PROBLEM +modules .*br_netfilter\n.*sudo modprobe -a br_netfilter/);
  expect(await lab.ada("podman ps --all --quiet; podman network ls --quiet")).toBe("podman");
}, 600_000);

test("up makes a cluster, and nothing of it is root's", async () => {
  const { code, stdout, stderr } = await homespan("up --yes --set agents=0", 1500);
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  expect(stdout).toMatch(/^server-1 +server +cloud +100\.64\.0\.\d+ +Ready +v/m);
  expect(await lab.ada("sudo podman ps --all --quiet; sudo nft list tables | grep homespan || true")).toBe(
    "",
  );
  expect(await lab.ada("ps -C k3s -o user=")).toMatch(/^ada\b/);
}, 1_600_000);

test("the home's rule is where a user's networks are", async () => {
  const rules = await lab.ada("podman unshare --rootless-netns nft list table inet homespan_ci_home");
  expect(rules.match(/ct state new counter .*drop/g)).toHaveLength(2);
}, 180_000);

test("a second up changes nothing", async () => {
  const { code, stdout, stderr } = await homespan("up --yes --set agents=0", 900);
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  expect(stdout + stderr).toContain("nothing to change");
}, 1_000_000);

test("destroy leaves nothing", async () => {
  const { code, stdout, stderr } = await homespan("destroy --yes", 600);
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  const objects =
    "podman ps --all --quiet; podman pod ps --quiet; podman volume ls --quiet; podman network ls --quiet";
  expect(await lab.ada(objects)).toBe("podman");
  expect(await lab.ada("pgrep --list-name 'slirp4netns|aardvark|k3s|conmon' || true")).toBe("");
  expect(await lab.ada(`ls -d "$XDG_RUNTIME_DIR/homespan" 2>/dev/null || true`)).toBe("");
}, 900_000);
