import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cacheFolder } from "../../toolchain/folders.ts";

const project = join(import.meta.dirname, "../..");
const pulumi = join(cacheFolder(), "bin", "pulumi");
const program = `
import { Config } from "@pulumi/pulumi/config.js";
import { RunError } from "@pulumi/pulumi/errors.js";
import { secret } from "@pulumi/pulumi/output.js";
const config = new Config();
if (config.get("bad") !== undefined) throw new RunError("\`bad\` must be absent, got 1");
const word: string = config.require("word");
export const shout = secret(word.toUpperCase());
export const exe = process.execPath;
`;

/** The engine itself, where the toolchain has prepared one. */
describe.skipIf(!existsSync(pulumi))("with the Pulumi CLI", () => {
  let folder: string;
  const run = async (
    ...args: readonly string[]
  ): Promise<{ readonly exitCode: number | undefined; readonly all: string }> => {
    const { exitCode, all } = await execa(pulumi, [...args, "--non-interactive", "--color=never"], {
      cwd: join(folder, "program"),
      all: true,
      reject: false,
      env: {
        PATH: `${join(folder, "bin")}:${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}`,
        PULUMI_HOME: join(folder, "home"),
        PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
        PULUMI_CONFIG_PASSPHRASE: "test",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
        // The one of every run: compiling the SDK takes longer than all the rest.
        NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(cacheFolder(), "node-compile"),
      },
    });
    return { exitCode, all };
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "homespan-cli-"));
    for (const name of ["bin", "program", "state"]) mkdirSync(join(folder, name));
    symlinkSync(
      join(project, "toolchain/language-host/pulumi-language-nodejs"),
      join(folder, "bin/pulumi-language-nodejs"),
    );
    symlinkSync(join(project, "node_modules"), join(folder, "program/node_modules"));
    const options = "runtime: {name: nodejs, options: {typescript: false}}";
    writeFileSync(join(folder, "program/Pulumi.yaml"), `name: host-test\n${options}\n`);
    const manifest = { type: "module", main: "index.ts", dependencies: { "@pulumi/pulumi": "*" } };
    writeFileSync(join(folder, "program/package.json"), JSON.stringify(manifest));
    writeFileSync(join(folder, "program/index.ts"), program);
    const made = await run("stack", "init", "test");
    expect(made.exitCode, made.all).toBe(0);
  }, 60_000);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("brings a TypeScript program up with this node, and down again", async () => {
    // The other test has a preview.
    const up = await run("up", "--yes", "--skip-preview", "--config", "word=quiet");
    expect(up.exitCode, up.all).toBe(0);
    expect(up.all).toContain(`exe  : "${process.execPath}"`);
    expect(up.all).toContain("shout: [secret]");
    const down = await run("destroy", "--yes");
    expect(down.exitCode, down.all).toBe(0);
  }, 60_000);

  it("shows the message of a RunError and nothing else", async () => {
    const preview = await run("preview", "--config", "bad=1");
    expect(preview.exitCode).not.toBe(0);
    expect(preview.all).toContain("error: `bad` must be absent, got 1");
    expect(preview.all).not.toMatch(/\n\s+at |unhandled/u);
  }, 60_000);
});
