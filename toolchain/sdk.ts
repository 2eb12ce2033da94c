/**
 * Makes sdks/libvirt: Pulumi's schema of the Terraform provider, through Pulumi's own code generator, compiled. Node strips
 * no types from what is a package, so what is committed is JavaScript with its declarations.
 */
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { findCommand } from "./machine.ts";
import { buildFromModules, findGo } from "./modules.ts";
import { PINS } from "./pins.ts";
import { libvirtSdk } from "./pins-homelab.ts";
import type { Reporter } from "./types.ts";

const GENERATOR = fileURLToPath(new URL("sdk", import.meta.url));

export interface SdkOptions {
  readonly checkout: string;
  readonly cache: string;
  /** One in which `pulumi` and its plugins are found. */
  readonly environment: Readonly<Record<string, string>>;
  /** A folder for what is left over. */
  readonly temporary: string;
  readonly reporter: Reporter;
}

/** The parts of the generated package.json that matter here. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly license?: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly pulumi: object;
}

/** @throws Error that says which step failed, and what it said */
export async function generateLibvirtSdk(options: SdkOptions): Promise<void> {
  const { checkout, temporary, reporter } = options;
  const task = reporter.start("sdks/libvirt", 120);
  const sdks = join(checkout, "sdks");
  // Below the checkout, so that the compiler finds Pulumi's SDK.
  const draft = join(sdks, ".draft");
  try {
    await rm(draft, { recursive: true, force: true });
    task.detail("asking for the schema");
    const schema = join(temporary, "schema.json");
    await writeFile(schema, await schemaText(options));
    task.detail("building the generator");
    const generator = await buildGenerator(options, (text) => {
      task.detail(text);
    });
    await run(generator, [schema, draft], options);
    task.detail("compiling");
    await compile(draft, options);
    const made = join(draft, "compiled");
    await rm(join(sdks, "libvirt"), { recursive: true, force: true });
    await rename(made, join(sdks, "libvirt"));
    await writeFile(join(sdks, "libvirt.sha256"), await checksums(join(sdks, "libvirt")));
    task.done();
  } catch (error) {
    task.fail(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** `sha256sum --check` reads it, in the folder. */
export async function checksums(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const lines = await Promise.all(
    files.sort().map(async (file) => {
      const hash = createHash("sha256").update(await readFile(join(folder, file)));
      return `${hash.digest("hex")}  ${file}\n`;
    }),
  );
  return lines.join("");
}

/** With the version of the official bridge, for which the one built from its module stands in. */
async function schemaText(options: SdkOptions): Promise<string> {
  const { provider, providerVersion, bridgeVersion } = libvirtSdk;
  // By its path: asked for by name, `pulumi package` looks for its newest release on the internet.
  const bridge = findCommand("pulumi-resource-terraform-provider", options.environment["PATH"]);
  if (bridge === undefined)
    throw new Error("`pulumi-resource-terraform-provider` must be installed, got none");
  const asked = ["package", "get-schema", bridge, provider, providerVersion];
  const schema = JSON.parse(await run("pulumi", asked, options)) as {
    parameterization: { baseProvider: { name: string; version: string } };
  };
  schema.parameterization.baseProvider.version = bridgeVersion;
  return JSON.stringify(schema);
}

async function buildGenerator(
  { cache, environment }: SdkOptions,
  onProgress: (text: string) => void,
): Promise<string> {
  const [pulumi] = PINS.find(({ name }) => name === "pulumi")?.modules?.sets ?? [];
  if (pulumi?.base.kind !== "fresh") throw new Error("the pin of pulumi must have a module of its own");
  const folder = join(cache, "tools", "sdk-generator");
  const log = join(cache, "logs", "sdk-generator.log");
  await mkdir(dirname(log), { recursive: true });
  const set = {
    workspace: "sdk-generator",
    base: pulumi.base,
    ownFiles: GENERATOR,
    builds: [{ package: ".", output: "generate" }],
  };
  const context = { cache, go: findGo(environment["PATH"]), environment, log, onProgress };
  await buildFromModules({ sets: [set] }, folder, context);
  return join(folder, "generate");
}

async function compile(draft: string, options: SdkOptions): Promise<void> {
  const made = join(draft, "compiled");
  const compilerOptions = {
    ...{ outDir: made, rootDir: draft, declaration: true, strict: true, skipLibCheck: true },
    ...{ target: "es2022", module: "node16", types: ["node"] },
  };
  await writeFile(join(draft, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["**/*.ts"] }));
  const tsc = join(options.checkout, "node_modules", "typescript", "bin", "tsc");
  const manifest = JSON.parse(await readFile(join(draft, "package.json"), "utf8")) as Manifest;
  await run(process.execPath, [tsc, "-p", draft], options);
  await writeFile(join(made, "package.json"), `${JSON.stringify(published(manifest), undefined, 2)}\n`);
  await cp(join(draft, "README.md"), join(made, "README.md")).catch(() => undefined);
}

/** Pulumi's SDK is the program's own: a second copy would not know the first one's resources. */
function published({ name, version, description, license, dependencies, pulumi }: Manifest): object {
  const sdk = "@pulumi/pulumi";
  const { [sdk]: peer = "*", ...others } = dependencies;
  return {
    ...{ name, version, description, license, main: "index.js", types: "index.d.ts" },
    ...{ dependencies: others, peerDependencies: { [sdk]: peer }, pulumi },
  };
}

async function run(command: string, args: readonly string[], { environment }: SdkOptions): Promise<string> {
  const result = await execa(command, [...args], { env: environment, extendEnv: false, reject: false });
  if (!result.failed) return result.stdout;
  if (result.code === "ENOENT") {
    throw new Error(`\`${command}\` must be installed, got none; run: ./homespan toolchain --prepare`);
  }
  const words = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-5).join("; ");
  throw new Error(`${command} ${args[0] ?? ""} failed: ${words}`);
}
