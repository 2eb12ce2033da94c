/** What doctor finds out about this machine. Each fact is one probe, so that a test can state them. */
import { readFileSync, realpathSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { execa } from "execa";
import type { Outstanding } from "../../toolchain/index.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
import { sourceOf } from "../tools.ts";

/** All facts that the checks judge. */
export interface Facts {
  readonly platform: string;
  readonly arch: string;
  readonly root: boolean;
  /** Of the distribution: `Debian GNU/Linux 12 (bookworm)`. */
  readonly system: string;
  /** Undefined when there is no `podman` on PATH. */
  readonly podman: string | undefined;
  /** Debian packages that nodes need and that are not installed; empty on other systems. */
  readonly missingPackages: readonly string[];
  /** The command that installs them. */
  readonly installCommand: string;
  readonly debian: boolean;
  /** True when they may be installed: on a terminal after a question, with --yes or CI=true without one. */
  readonly mayInstall: boolean;
  readonly tun: boolean;
  readonly cgroup: "v1" | "v2";
  readonly sysResource: boolean;
  /** Bytes free where the cache, and where Podman's storage is. */
  readonly cacheFree: number;
  readonly storageFree: number;
  readonly storagePath: string;
  /** What tools and images have still to be made from, and the GiB that takes; undefined when they are there. */
  readonly outstanding: Outstanding | undefined;
  /** How to get the `go` that builds tools; undefined when it is there or nothing is built. */
  readonly goMissing: string | undefined;
  /** Capabilities nodes cannot do without and cannot have here: `CAP_SYS_ADMIN`, `CAP_NET_ADMIN`. */
  readonly missingCapabilities: readonly string[];
  /** False when there is no `nft` on PATH. */
  readonly nft: boolean;
  readonly nodeVersion: string;
  readonly npmVersion: string | undefined;
  /** Ports the stack wants that something else listens on. */
  readonly takenPorts: readonly number[];
  /** Which of the wanted ports is the registry's; the others are the API's. @default none */
  readonly registryPort?: number;
}

/** @param ports those to look at; those this stack publishes itself are not in it. */
export async function probe(context: Context, ports: readonly number[]): Promise<Facts> {
  const { commandExists, detectMachine, diskFreeBytes, findCommand, missingCapabilities } =
    await import("../../toolchain/machine.ts");
  await sourceOf(context.environment);
  const { installCommand } = await import("../../toolchain/debian.ts");
  const machine = detectMachine();
  const debian = commandExists("dpkg-query") && commandExists("apt-get");
  const environment = childEnvironment(context.paths, context.environment);
  const storagePath = machine.root
    ? "/var/lib/containers"
    : join(environment["HOME"] ?? "/", ".local/share/containers");
  const [podman, npmVersion, taken, missingPackages, toMake] = await Promise.all([
    versionOf("podman", ["--version"], environment),
    npmVersionOn(environment["PATH"]),
    Promise.all(ports.map(isTaken)),
    debian ? findMissingPackages(machine.root) : [],
    (await import("../../toolchain/index.ts")).outstanding(context.environment),
  ]);
  return {
    platform: machine.platform,
    arch: machine.arch,
    root: machine.root,
    system: systemName(),
    podman,
    missingPackages,
    installCommand: installCommand(missingPackages, machine.root),
    debian,
    mayInstall: context.yes || context.console.interactive,
    tun: machine.tun,
    cgroup: machine.cgroup,
    sysResource: machine.sysResource,
    cacheFree: diskFreeBytes(context.paths.cache),
    storageFree: diskFreeBytes(storagePath),
    storagePath,
    outstanding: toMake,
    goMissing: toMake?.source === "modules" ? await goProblem(environment["PATH"]) : undefined,
    missingCapabilities: missingCapabilities(),
    nft: findCommand("nft", environment["PATH"]) !== undefined,
    nodeVersion: process.versions.node,
    npmVersion,
    takenPorts: ports.filter((_, index) => taken[index]),
  };
}

async function goProblem(path: string | undefined): Promise<string | undefined> {
  const { findGo } = await import("../../toolchain/modules.ts");
  try {
    findGo(path);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function versionOf(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const result = await execa(command, [...args], {
    env: environment,
    extendEnv: false,
    reject: false,
    timeout: 10_000,
  });
  if (result.failed) return undefined;
  return /\d+(\.\d+)+/.exec(result.stdout)?.[0] ?? result.stdout.trim();
}

/** The version of the npm on PATH, read from its package: starting it takes half a second. */
async function npmVersionOn(path: string | undefined): Promise<string | undefined> {
  const { findCommand } = await import("../../toolchain/machine.ts");
  const npm = findCommand("npm", path);
  if (npm === undefined) return undefined;
  try {
    // The command leads to <package>/bin/npm-cli.js, or is a script that starts it.
    const manifest = join(dirname(realpathSync(npm)), "..", "package.json");
    const { name, version } = JSON.parse(readFileSync(manifest, "utf8")) as Record<string, unknown>;
    return name === "npm" && typeof version === "string" ? version : "of an unknown version";
  } catch {
    return "of an unknown version";
  }
}

/** True when something listens on the loopback port. */
function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code === "EADDRINUSE");
    });
    server.listen(port, "127.0.0.1", () => {
      server.close(() => {
        resolve(false);
      });
    });
  });
}

async function findMissingPackages(root: boolean): Promise<string[]> {
  const { packageNames, parseDpkg } = await import("../../toolchain/debian.ts");
  const names = packageNames(["core"], root);
  // Exit code 1 only says that some names are unknown.
  const { stdout } = await execa("dpkg-query", ["-W", "-f", "${db:Status-Abbrev} ${Package}\\n", ...names], {
    reject: false,
  });
  const installed = new Set(parseDpkg(stdout));
  return names.filter((name) => !installed.has(name));
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}
