/** What doctor finds wrong with a machine where something really is missing: each process of it has less than this one. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test, type TestContext } from "vitest";
import type { Check } from "../../cli/doctor/checks.ts";
import { checkout } from "./bed.ts";

let folder: string;
let cache: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-doctor-"));
  cache = join(folder, "cache");
  mkdirSync(cache);
  mkdirSync(join(folder, "nothing"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** As `./homespan doctor --json` starts it. */
const doctor = [
  ...[process.execPath, "--disable-warning=ExperimentalWarning"],
  ...[join(checkout, "cli/main.ts"), "doctor", "--json"],
];

/** Runs doctor by way of a command that takes something away, and returns what it says of one thing. */
async function checkBy(
  way: readonly string[],
  name: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Check | undefined> {
  const [program = "", ...args] = [...way, ...doctor];
  const result = await execa(program, args, {
    env: {
      ...{ HOME: folder, HOMESPAN_CACHE: cache, HOMESPAN_STATE: join(folder, "state") },
      // Nothing is asked for on the network.
      ...{ PATH: process.env["PATH"] ?? "", HOMESPAN_SOURCE: "download" },
      ...environment,
    },
    extendEnv: false,
    reject: false,
    timeout: 30_000,
  });
  const told = JSON.parse(result.stdout) as { healthy: boolean; machine: readonly Check[] };
  expect(told.healthy).toBe(false);
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toMatch(/^homespan: there are \d+ problem\(s\) to fix first$/m);
  expect(existsSync(join(folder, "state"))).toBe(false);
  return told.machine.find((check) => check.name === name);
}

/** In a namespace of its own, where nobody else sees what is mounted. */
const mounting = (script: string): readonly string[] => [
  ...["unshare", "--mount", "sh", "-c", `${script} && exec "$@"`, "sh"],
];

/** What it starts ends with it: Podman leaves a process behind where it lacks a right. */
const alone: readonly string[] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** Skips the test where this user, in this place, cannot take that away. */
async function needs(context: TestContext, [program = "", ...args]: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) context.skip("needs root, which can give up what others do not have");
  const { failed, shortMessage } = await execa(program, args, { reject: false });
  if (failed) context.skip(`this machine does not let root: ${shortMessage ?? program}`);
}

// Where Podman lies beside this Node, PATH has it all the same.
test.skipIf(process.platform !== "linux" || existsSync(join(dirname(process.execPath), "podman")))(
  "no podman on PATH",
  async () => {
    expect(await checkBy([], "podman", { PATH: join(folder, "nothing") })).toEqual({
      ...{ name: "podman", result: "problem" },
      message: expect.stringMatching(/^Podman must be installed, got none on \S/) as string,
      fix: "install podman 4.3 or newer: https://podman.io/docs/installation",
    });
  },
);

test("no root: the machine is judged by what Podman without root needs", async (context) => {
  const way = [...alone, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  await needs(context, [...way, "test", "-r", join(checkout, "cli/main.ts"), "-a", "-x", process.execPath]);
  expect(await checkBy(way, "root")).toEqual({
    ...{ name: "root", result: "notice" },
    message: "runs without root: nodes are in a user namespace",
    fix: "see docs/podman.md for what is different, or: sudo -E ./homespan up",
  });
  // That user has none.
  expect(await checkBy(way, "subids")).toMatchObject({ result: "problem" });
});

test("root without CAP_SYS_ADMIN", async (context) => {
  const way = [...alone, "setpriv", "--bounding-set=-sys_admin"];
  await needs(context, [...way, "true"]);
  // Of those that lack already doctor tells in the same words.
  await needs(context, ["setpriv", "--inh-caps=+sys_admin,+net_admin", "true"]);
  expect(await checkBy(way, "capabilities")).toEqual({
    ...{ name: "capabilities", result: "problem" },
    message:
      "nodes need CAP_SYS_ADMIN, which this machine does not give: they mount, make networks and filter packets",
    fix: "in a container: start it with --privileged; else run it on a machine of its own",
  });
});

test("a cache on a disk of 64 MiB", async (context) => {
  const way = mounting('mount -t tmpfs -o size=64m tmpfs "$HOMESPAN_CACHE"');
  await needs(context, ["env", `HOMESPAN_CACHE=${cache}`, ...way, "true"]);
  expect(await checkBy(way, "disk")).toEqual({
    ...{ name: "disk", result: "problem" },
    message: expect.stringMatching(
      /^\d+ GiB must be free \(images and node data, tools to download\), got 0\.1 GiB at the cache folder$/,
    ) as string,
    fix: "free some, or set HOMESPAN_CACHE to a folder on a larger disk",
  });
});

test("no /dev/net/tun", async (context) => {
  const way = mounting("{ [ ! -d /dev/net ] || mount -t tmpfs tmpfs /dev/net; }");
  await needs(context, [...way, "true"]);
  expect(await checkBy(way, "tun")).toEqual({
    ...{ name: "tun", result: "problem" },
    message: "/dev/net/tun cannot be opened, and every node's tailscaled needs it",
    fix: "modprobe tun; in a container: start it with --device /dev/net/tun",
  });
});
