/** The Debian packages a run needs: found, named, and installed when the user agrees. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { execa } from "execa";
import { checkElsewhere } from "./elsewhere.ts";
import { readJson, writeJson } from "./json.ts";
import { commandExists, findCommand } from "./machine.ts";
import type { Group, Machine, Reporter } from "./types.ts";

/** Why a package is needed: to run clusters, to do so without root, to compare, to test, or to build tools and images here. */
export type PackageGroup = Group | "rootless" | "build";

/** Package -> what it gives. Names are those of Debian 12 and 13 and of Ubuntu 24.04. */
export const PACKAGES: Readonly<Record<PackageGroup, Readonly<Record<string, string>>>> = {
  core: {
    podman: "runs the nodes",
    runc: "their runtime where crun refuses the machine's cgroups",
    conmon: "watches each container",
    catatonit: "holds a pod's network namespace",
    netavark: "container networks",
    "aardvark-dns": "names in container networks; podman does not pull it in",
    nftables: "the firewall between sites",
    iptables: "the NAT rules of container networks",
    iproute2: "looks at networks",
  },
  rootless: {
    uidmap: "gives a user's containers more than one id",
    slirp4netns: "joins a user's container networks to the machine's",
    "dbus-user-session": "has the user's systemd make cgroups",
  },
  build: {
    gcc: "compiles k3s's SQLite and runc's seccomp",
    "libc6-dev": "C headers",
    "pkg-config": "finds libseccomp",
    "libseccomp-dev": "runc's seccomp",
    debootstrap: "base images where no image registry is reachable",
    zstd: "packs images",
  },
  cloud: {},
  bench: {},
  registry: {},
  test: {
    shellcheck: "checks the shell scripts",
    xsltproc: "applies the stylesheet of virtual machines as libvirt's provider does",
    "libxml2-utils": "reads libvirt's schemas",
    "libvirt-clients": "checks what virtual machines are made of",
    gnupg: "signs what tests look at",
    "qemu-utils": "makes the disks of Lima's machines, and of virtual ones",
  },
  mac: {},
  rehearsal: { conntrack: "ends connections to an address that changes hands" },
  libvirt: {},
  vms: {
    "libvirt-clients": "asks hosts of virtual machines what they have (virsh)",
    gpgv: "checks who signed an image",
    xsltproc: "takes what a node does not need out of a machine's definition",
  },
  homelab: {
    "libvirt-daemon-system": "runs virtual machines",
    "qemu-system-x86": "is the virtual machine",
    "qemu-utils": "makes their disks",
    "dnsmasq-base": "gives them addresses in libvirt's own networks",
  },
  guest: {
    debootstrap: "its system",
    syslinux: "starts it",
    "syslinux-common": "its first sector",
    mtools: "writes to file systems without a mount",
    dosfstools: "the file system it starts from",
    fdisk: "its partitions",
    "libblkid-dev": "tells Ignition which file system a disk has",
    gnupg: "signs it",
  },
};

/** The machine as this file sees it; tests give a fake. */
export interface PackageTools {
  /** True on Debian and its children. */
  readonly isDebian: () => boolean;
  /** Names of those that are installed. */
  readonly installed: (names: readonly string[]) => Promise<readonly string[]>;
  readonly run: (command: string, args: readonly string[]) => Promise<void>;
  /** Asks on the terminal; undefined when there is nobody to ask. */
  readonly ask?: ((question: string) => Promise<boolean>) | undefined;
  readonly hasCommand: (name: string) => boolean;
}

export interface PackageRequest {
  readonly groups: readonly PackageGroup[];
  readonly machine: Machine;
  /** `--yes` or CI=true. */
  readonly yes: boolean;
  readonly reporter: Reporter;
  readonly cache: string;
}

/**
 * Makes sure the packages of the groups are there.
 *
 * @throws Error with the exact command when they are missing and may not or cannot be installed, and elsewhere than on Debian
 * where the programs themselves are missing.
 */
export async function ensurePackages(
  request: PackageRequest,
  tools: PackageTools = systemTools(request.cache),
): Promise<void> {
  const { groups, machine } = request;
  if (!tools.isDebian()) {
    checkElsewhere({
      platform: machine.platform,
      // Nodes that stand elsewhere need none.
      podman: groups.includes("core"),
      vms: groups.includes("vms"),
      nodePackages: packageNames(
        groups.filter((group) => group !== "vms"),
        machine.root,
      ),
      hasCommand: tools.hasCommand,
    });
    return;
  }
  const names = packageNames(groups, machine.root);
  const missing = await missingPackages(names, tools);
  if (missing.length === 0) return;
  const command = installCommand(missing, request.machine.root);
  const reasons = missing.map((name) => `${name} (${purposeOf(name)})`).join(", ");
  if (!request.machine.root && !tools.hasCommand("sudo")) {
    throw new Error(`Debian packages are missing: ${reasons}; as root run: ${installCommand(missing, true)}`);
  }
  const agreed =
    request.yes ||
    ((await tools.ask?.(`Debian packages are missing: ${reasons}.\nInstall them with \`${command}\`?`)) ??
      false);
  if (!agreed) {
    throw new Error(`Debian packages are missing: ${reasons}; run: ${command} (or give --yes)`);
  }
  await install(missing, request, tools);
}

/** The names that are not installed, in the order given. */
export async function missingPackages(names: readonly string[], tools: PackageTools): Promise<string[]> {
  const installed = new Set(await tools.installed(names));
  return names.filter((name) => !installed.has(name));
}

/** @param root - false where the nodes are a user's: more is needed for them */
export function packageNames(groups: readonly PackageGroup[], root = true): string[] {
  const wanted = groups.includes("core") && !root ? [...groups, "rootless" as const] : groups;
  return [...new Set(wanted.flatMap((group) => Object.keys(PACKAGES[group])))];
}

/** What a user would type. */
export function installCommand(names: readonly string[], root: boolean): string {
  const sudo = root ? "" : "sudo ";
  return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${names.join(" ")}`;
}

async function install(
  names: readonly string[],
  request: PackageRequest,
  tools: PackageTools,
): Promise<void> {
  const task = request.reporter.start(`Debian packages: ${names.join(" ")}`, 20);
  // Another apt run on a fresh machine (unattended-upgrades) is waited for instead of failing.
  const options = ["-q", "-o", "DPkg::Lock::Timeout=300"];
  const apt = (args: readonly string[]): Promise<void> => {
    const command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...options, ...args];
    return request.machine.root ? tools.run("env", command.slice(1)) : tools.run("sudo", command);
  };
  try {
    await apt(["update"]);
    await apt(["install", "-y", "--no-install-recommends", ...names]);
    task.done();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    task.fail(text);
    throw new Error(
      `installing Debian packages failed: ${text}; run it yourself: ${installCommand(names, request.machine.root)}`,
      { cause: error },
    );
  }
}

function purposeOf(name: string): string {
  for (const group of Object.values(PACKAGES)) {
    const purpose = group[name];
    if (purpose !== undefined) return purpose;
  }
  return "";
}

function systemTools(cache: string): PackageTools {
  return {
    isDebian: () => commandExists("dpkg-query") && commandExists("apt-get"),
    hasCommand: (name) => findCommand(name) !== undefined,
    installed: (names) => rememberInstalled(names, cache, queryDpkg),
    run: async (command, args) => {
      const result = await execa(command, args, { stdin: "inherit", all: true, reject: false });
      if (result.failed) throw new Error(lastLines(result.all));
    },
    ask: process.stdin.isTTY && process.stderr.isTTY ? askOnTerminal : undefined,
  };
}

async function queryDpkg(names: readonly string[]): Promise<readonly string[]> {
  // Exit code 1 only says that some names are unknown.
  const { stdout } = await execa("dpkg-query", ["-W", "-f", "${db:Status-Abbrev} ${Package}\\n", ...names], {
    reject: false,
  });
  return parseDpkg(stdout);
}

/** Asks only when dpkg's database changed since all of the names were last seen installed. */
export async function rememberInstalled(
  names: readonly string[],
  cache: string,
  query: (names: readonly string[]) => Promise<readonly string[]>,
  database = "/var/lib/dpkg/status",
): Promise<readonly string[]> {
  const memory = join(cache, "packages.json");
  const state = statSync(database, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const known = (await readJson(memory)) as { state: number; names: readonly string[] } | undefined;
  const remembered = known?.state === state ? known.names : [];
  if (names.every((name) => remembered.includes(name))) return names;
  const installed = await query(names);
  await writeJson(memory, { state, names: [...new Set([...remembered, ...installed])] });
  return installed;
}

/** Package names of `dpkg-query` lines in state `ii` (installed, configured) or `hi` (the same, held). */
export function parseDpkg(output: string): string[] {
  return output.split("\n").flatMap((line) => /^[ih]i\s+(\S+)$/.exec(line.trim())?.[1] ?? []);
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-3).join("; ");
}

async function askOnTerminal(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [Y/n] `);
    return /^(y|yes|)$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
