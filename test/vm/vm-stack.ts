/** Runs a program of a test with the real Pulumi, as `./homespan` would. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { childEnvironment } from "../../cli/environment.ts";
import { resolvePaths } from "../../cli/paths.ts";
import type { VmProgram } from "./program.ts";

const checkout = join(import.meta.dirname, "../..");

interface Ended {
  readonly ok: boolean;
  readonly text: string;
}

/** Counts of a run's summary: `created` -> 5. */
export type Changes = Readonly<Record<string, number>>;

export class VmStack {
  readonly folder = mkdtempSync(join(tmpdir(), "vm-stack-"));
  readonly #environment: Record<string, string>;

  constructor() {
    for (const name of ["state", "tmp", "cache"]) mkdirSync(join(this.folder, name));
    symlinkSync(join(checkout, "node_modules"), join(this.folder, "node_modules"));
    const manifest = { type: "module", main: "index.ts", dependencies: { "@pulumi/pulumi": "*" } };
    writeFileSync(join(this.folder, "package.json"), JSON.stringify(manifest));
    const project = {
      name: "homespan",
      runtime: { name: "nodejs", options: { typescript: false } },
      options: { refresh: "always" },
      plugins: { providers: [{ name: "homespan", path: join(checkout, "provider") }] },
    };
    writeFileSync(join(this.folder, "Pulumi.yaml"), JSON.stringify(project));
    const paths = resolvePaths(process.env);
    this.#environment = {
      ...childEnvironment(paths, process.env),
      PULUMI_BACKEND_URL: `file://${join(this.folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      TMPDIR: join(this.folder, "tmp"),
    };
  }

  async init(): Promise<void> {
    const { ok, text } = await this.run("stack", "init", "test");
    if (!ok) throw new Error(text);
  }

  declare(program: VmProgram): void {
    this.declareCall("program.ts", "vmProgram", program);
  }

  /** The program is one call of what a file beside this one exports, with something that JSON can hold. */
  declareCall(file: string, called: string, argument: unknown): void {
    const module = JSON.stringify(join(import.meta.dirname, file));
    const text = `import { ${called} } from ${module};\n${called}(${JSON.stringify(argument)});\n`;
    writeFileSync(join(this.folder, "index.ts"), text);
  }

  async up(): Promise<Ended & { readonly changes: Changes }> {
    const ended = await this.run("up", "--yes", "--skip-preview", "--stack=test");
    const changes = [...ended.text.matchAll(/^ {4}[-+~ ]*(\d+) (\w+)$/gm)];
    return {
      ...ended,
      changes: Object.fromEntries(changes.map(([, count, word = ""]) => [word, Number(count)])),
    };
  }

  destroy(): Promise<Ended> {
    return this.run("destroy", "--yes", "--skip-preview", "--stack=test");
  }

  async run(...args: readonly string[]): Promise<Ended> {
    const { failed, all } = await execa("pulumi", [...args, "--non-interactive", "--color=never"], {
      cwd: this.folder,
      env: this.#environment,
      extendEnv: false,
      all: true,
      reject: false,
    });
    return { ok: !failed, text: all };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
