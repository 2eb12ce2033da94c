/** What is run on a Mac beside `limactl`, in a folder in the place of its root directory. */
import { execa } from "execa";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const scripts = join(import.meta.dirname, "../../provider/effects/lima");
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mac-"));
  // Each writes down how it was called; sudo lets the three through.
  put("bin/sudo", '#!/bin/sh\necho "sudo $*" >>"$HOME/log"\nshift\nexec "$@"\n');
  put("bin/launchctl", "#!/bin/sh\nexit 3\n");
  put("bin/systemctl", '#!/bin/sh\necho "systemctl $*" >>"$HOME/log"\n');
  for (const name of readdirSync(join(root, "bin"))) chmodSync(join(root, "bin", name), 0o755);
  put("log", "");
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, content = ""): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
const run = (script: string, ...args: string[]): Promise<unknown> =>
  execa("/bin/sh", [join(scripts, script), ...args], {
    extendEnv: false,
    env: { HOME: root, HOMESPAN_ROOT: root, PATH: `${join(root, "bin")}:/usr/bin:/bin` },
  });
const log = (): string[] => readFileSync(join(root, "log"), "utf8").split("\n").filter(Boolean);

test("what starts a machine with the Mac is taken out as Lima does it, and another machine's is not", async () => {
  put("Library/LaunchDaemons/io.lima-vm.daemon.home-agent-1.plist");
  put("Library/LaunchDaemons/io.lima-vm.daemon.home-agent-10.plist");
  await run("forget-start.sh", "home-agent-1");
  expect(readdirSync(join(root, "Library/LaunchDaemons"))).toEqual(["io.lima-vm.daemon.home-agent-10.plist"]);
  const label = "system/io.lima-vm.daemon.home-agent-1";
  expect(log().slice(0, 2)).toEqual([
    `sudo -n launchctl bootout ${label}`,
    `sudo -n launchctl disable ${label}`,
  ]);
  expect(log()[2]).toMatch(/^sudo -n rm -f .*\/LaunchDaemons\/io\.lima-vm\.daemon\.home-agent-1\.plist$/);
  await run("forget-start.sh", "home-agent-1");
  expect(log()).toHaveLength(3);
});

test("what starts a machine with its user is taken out without sudo, on a Mac and on Linux", async () => {
  put("Library/LaunchAgents/io.lima-vm.autostart.home-agent-1.plist");
  put(".config/systemd/user/lima-vm@home-agent-1.service");
  await run("forget-start.sh", "home-agent-1");
  expect(readdirSync(join(root, "Library/LaunchAgents"))).toEqual([]);
  expect(readdirSync(join(root, ".config/systemd/user"))).toEqual([]);
  expect(log()).toEqual(["systemctl --user disable lima-vm@home-agent-1.service"]);
});

test("a password that sudo asks for is a failure: it would still start", async () => {
  put("Library/LaunchDaemons/io.lima-vm.daemon.home-agent-1.plist");
  put("bin/sudo", '#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n');
  await expect(run("forget-start.sh", "home-agent-1")).rejects.toThrow(/sudo: a password is required/);
});
