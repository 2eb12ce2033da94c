/** What Pulumi itself takes: a project with the same runtime options and packages, and a program that declares nothing. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository } from "./command.ts";

export class EmptyProgram {
  /** Where Pulumi is to run. */
  readonly folder = mkdtempSync(join(tmpdir(), "homespan-bench-empty-"));
  /** Its one stack, still to be made by `pulumi stack init`. */
  readonly stack = "empty";

  constructor() {
    const project =
      "name: empty\nruntime:\n  name: nodejs\n  options:\n    typescript: false\nmain: index.js\n";
    writeFileSync(join(this.folder, "Pulumi.yaml"), project);
    const manifest = '{ "name": "empty", "type": "module", "main": "index.js" }\n';
    writeFileSync(join(this.folder, "package.json"), manifest);
    writeFileSync(join(this.folder, "index.js"), 'import "@pulumi/pulumi";\n');
    symlinkSync(join(repository, "node_modules"), join(this.folder, "node_modules"));
    mkdirSync(join(this.folder, "state"));
  }

  /** What differs from the environment of a stack beside which it runs. */
  get environment(): Readonly<Record<string, string>> {
    return {
      PULUMI_BACKEND_URL: `file://${join(this.folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "empty",
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
