/** The programs of macOS that a rehearsed Mac has. */
import { execa } from "execa";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const mac = join(import.meta.dirname, "../../../rehearsal/lima/mac");
const programs = readdirSync(join(mac, "bin"));

test("shellcheck finds nothing", async ({ skip }) => {
  const driver = join(mac, "../driver/lima-driver-vz");
  const files = [
    ...programs.map((name) => join(mac, "bin", name)),
    join(mac, "launchd"),
    join(mac, "first-boot"),
    driver,
  ];
  const checked = await execa("shellcheck", files, { reject: false });
  skip(checked.code === "ENOENT", "shellcheck is missing");
  expect(checked.stdout).toBe("");
});

test("root sees the Linux that is there", async ({ skip }) => {
  skip(process.getuid?.() !== 0, "these tests run as another user");
  const own = await execa(join(mac, "bin/uname"), ["-s"]);
  expect(own.stdout).toBe((await execa("uname", ["-s"])).stdout);
});

test.each([
  ["sw_vers", ["-productVersion"], "15.6.1"],
  ["launchctl", ["enable", "system/x"], ""],
])("%s answers as on a Mac", async (program, args, answer) => {
  expect((await execa(join(mac, "bin", program), args)).stdout).toBe(answer);
});
