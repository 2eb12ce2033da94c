/** Finds the Pulumi packages a program depends on: each names, in its package.json, the plugin that serves it. */
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** One plugin that a program needs. */
export interface RequiredPlugin {
  readonly name: string;
  /** Without a leading "v". */
  readonly version: string;
  /** Where the plugin is downloaded from, when it is not Pulumi's own place. */
  readonly server?: string;
  /** Set when the package is a parameterized one: what the plugin `name` is to be told. */
  readonly parameterization?: Parameterization;
}

/** A package that one general plugin serves under another name. */
export interface Parameterization {
  readonly name: string;
  readonly version: string;
  readonly value: Uint8Array;
}

/** The parts of a package.json that are read here. */
interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly pulumi?: {
    readonly resource?: boolean;
    readonly name?: string;
    readonly version?: string;
    readonly server?: string;
    readonly parameterization?: { readonly name: string; readonly version: string; readonly value: string };
  };
}

const sdk = "@pulumi/pulumi";

/**
 * The plugins that the engine has to know of before the program runs: those that serve a package under another name. It
 * finds every other one when the first resource asks for it; named here it would be downloaded for each run of a stack
 * that has no such resource, and looked for in vain, seconds long, where nothing can be downloaded.
 *
 * Nor is one on PATH named: the engine takes it whatever its version, and would only warn about it twice.
 * @param path directories as in the environment variable PATH
 */
export function pluginsToFind(directory: string, path: string): readonly RequiredPlugin[] {
  return requiredPlugins(directory).filter(
    ({ name, parameterization }) =>
      parameterization !== undefined && !isOnPath(`pulumi-resource-${name}`, path),
  );
}

function isOnPath(executable: string, path: string): boolean {
  return path.split(delimiter).some((directory) => {
    if (directory === "") return false;
    try {
      accessSync(join(directory, executable), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The plugins of the program in `directory`, in the order of their package names. */
export function requiredPlugins(directory: string): readonly RequiredPlugin[] {
  const package_ = packageAbove(directory);
  if (package_ === undefined) return [];
  const { devDependencies } = package_.manifest;
  const found = new Map<string, RequiredPlugin>();
  visit(package_.directory, { ...devDependencies, ...dependenciesOf(package_.manifest) }, new Set(), found);
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, plugin]) => plugin);
}

/** The package a program belongs to: `main` of Pulumi.yaml may name a folder below it. */
function packageAbove(
  start: string,
): { readonly directory: string; readonly manifest: Manifest } | undefined {
  for (let directory = start; ; directory = dirname(directory)) {
    const manifest = readManifest(directory);
    if (manifest !== undefined) return { directory, manifest };
    if (dirname(directory) === directory) return undefined;
  }
}

function visit(
  from: string,
  dependencies: Readonly<Record<string, string>>,
  seen: Set<string>,
  found: Map<string, RequiredPlugin>,
): void {
  for (const name of Object.keys(dependencies)) {
    const directory = locate(from, name);
    if (directory === undefined || seen.has(directory)) continue;
    seen.add(directory);
    const manifest = readManifest(directory);
    if (manifest === undefined) continue;
    const plugin = pluginOf(name, manifest);
    if (plugin !== undefined) found.set(name, plugin);
    const below = dependenciesOf(manifest);
    // Only a package built on the SDK can bring in another one; the rest of node_modules is not worth reading.
    if (name !== sdk && (sdk in below || sdk in (manifest.peerDependencies ?? {}))) {
      visit(directory, below, seen, found);
    }
  }
}

function pluginOf(packageName: string, manifest: Manifest): RequiredPlugin | undefined {
  const { pulumi } = manifest;
  if (pulumi?.resource !== true) return undefined;
  const version = (pulumi.version ?? manifest.version ?? "").replace(/^v/u, "");
  const { server, parameterization } = pulumi;
  return {
    name: pulumi.name ?? packageName.replace(/^@pulumi\//u, ""),
    version,
    ...(server === undefined ? {} : { server }),
    ...(parameterization === undefined
      ? {}
      : {
          parameterization: {
            name: parameterization.name,
            version: parameterization.version,
            value: Buffer.from(parameterization.value, "base64"),
          },
        }),
  };
}

function dependenciesOf(manifest: Manifest): Readonly<Record<string, string>> {
  return { ...manifest.optionalDependencies, ...manifest.dependencies };
}

/** Node's own lookup, by directory: `exports` of a package may hide its package.json from `require.resolve`. */
function locate(from: string, name: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const candidate = join(directory, "node_modules", name);
    if (readManifest(candidate) !== undefined) return candidate;
    if (dirname(directory) === directory) return undefined;
  }
}

function readManifest(directory: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
