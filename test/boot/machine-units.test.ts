import { execa } from "execa";
import { chmodSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { bakedFiles, bootFiles } from "../../components/render/machine-files.ts";
import { userDataSources } from "../../components/render/user-data.ts";
import { Machine, project, sourceText } from "./machine.ts";

const shell = [
  "boot/machine/*.sh",
  "boot/machine/*",
  "boot/machine/{existing,installed,lima}/*",
  "test/boot/fakes/*",
]
  .flatMap((pattern) => globSync(pattern, { cwd: project }))
  .filter((path) => !/units|existing$|installed$|lima$|\.md$/.test(path));

test("every shell file of a machine is read by dash", async () => {
  expect(shell.length).toBeGreaterThan(10);
  await execa("dash", ["-c", 'for file; do dash -n "$file" || exit 1; done', "dash", ...shell], {
    cwd: project,
  });
});

test("every shell file of a machine is clean for shellcheck", async ({ skip }) => {
  const found = await execa("shellcheck", ["--version"], { reject: false });
  skip(found.exitCode !== 0, "shellcheck is not installed");
  await execa("shellcheck", ["-s", "sh", ...new Set(shell)], { cwd: project });
});

test("systemd has nothing to say about the units", async ({ skip }) => {
  const found = await execa("systemd-analyze", ["--version"], { reject: false });
  skip(found.exitCode !== 0, "systemd-analyze is not installed");
  using node = new Machine();
  const units = globSync("boot/machine/units/*", { cwd: project }).map((unit) => {
    const path = join(node.root, "verify", unit.replace(/^.*\//, ""));
    // What the units run is not installed here.
    const text = sourceText(unit).replaceAll(/\/usr\/(lib\/homespan|sbin)\/[-a-z0-9/]+/g, "/bin/true");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, 0o644);
    return path;
  });
  expect(units).toHaveLength(8);
  const result = await execa("systemd-analyze", ["verify", ...units], { all: true });
  expect(result.all).toBe("");
});

test("a unit runs what is delivered, and every boot file is delivered once", () => {
  const delivered = bootFiles.map(({ path }) => `/usr/lib/homespan/${path}`);
  for (const unit of globSync("boot/machine/units/*.service", { cwd: project })) {
    for (const [, path = ""] of sourceText(unit).matchAll(
      /^Exec\w+=-?(\/usr\/lib\/homespan\/(?!bin\/)\S+)/gm,
    )) {
      expect(delivered).toContain(path);
    }
  }
  const sources = [...bakedFiles, ...bootFiles].map(({ source }) => source);
  expect(new Set(bootFiles.map(({ path }) => path)).size).toBe(bootFiles.length);
  const own = globSync(["boot/*.sh", "boot/machine/*", "boot/machine/units/*"], { cwd: project });
  const carried = [...sources, ...userDataSources];
  const left = own.filter(
    (path) => !carried.includes(path) && !/README\.md$|(units|existing|installed|lima)$/.test(path),
  );
  expect(left).toEqual([]);
});

test("tailscaled started again brings the boot sequence, and through it k3s", () => {
  const boot = readFileSync(join(project, "boot/machine/units/homespan-boot.service"), "utf8");
  const tailscaled = readFileSync(join(project, "boot/machine/units/tailscaled.service"), "utf8");
  expect(boot).toMatch(/^PartOf=tailscaled\.service$/m);
  expect(boot).toMatch(/^After=.*\btailscaled\.service$/m);
  expect(tailscaled).toMatch(/^Wants=homespan-boot\.service$/m);
  // Started by the sequence alone: at boot there is no address yet.
  for (const unit of [
    "k3s.service",
    "tailscaled.service",
    "homespan-bootstrapper.service",
    "homespan-fetch.service",
    "homespan-boot.path",
  ]) {
    expect(sourceText(`boot/machine/units/${unit}`)).not.toContain("[Install]");
  }
});
