/**
 * The files of a machine with systemd. Which there are, what each reads and how they get there is described in
 * boot/machine/README.md.
 */
import { createHash } from "node:crypto";

/** A file of this project on a machine. */
export interface BootFile {
  /** Path in this project. */
  readonly source: string;
  /** Path below {@link machineDirectory}. */
  readonly path: string;
  readonly mode: 0o644 | 0o755;
}

/** Where all boot files lie. */
export const machineDirectory = "/usr/lib/homespan";

const shared = ["boot/wait.sh", "boot/stage.sh", "boot/config.sh", "boot/routes.sh", "boot/sequence.sh"];
const sourced = [
  "boot/driver-systemd.sh",
  ...["places", "artifacts", "data", "kernel", "restore"].map((name) => `boot/machine/${name}.sh`),
];
const units = [
  "homespan-again.service",
  "homespan-boot.path",
  "homespan-boot.service",
  "homespan-bootstrapper.service",
  "homespan-fetch.service",
  "homespan-firewall.service",
  "k3s.service",
  "tailscaled.service",
];

function bootFile(source: string, path: string, mode: BootFile["mode"] = 0o755): BootFile {
  return { source, path, mode };
}

/** What the first boot must bring, since everything else is delivered through it. */
export const bakedFiles: readonly BootFile[] = [
  bootFile("images/steward/scripts/receive", "scripts/receive"),
  bootFile("images/steward/scripts/checksums", "scripts/checksums"),
  // Executable only when the machine may be commanded: boot/machine/user-data.
  bootFile("boot/machine/boot-files", "boot-files", 0o644),
];

/** What `boot-files receive` delivers: everything else, in an order in which a part of it does no harm. */
export const bootFiles: readonly BootFile[] = [
  ...shared.map((source) => bootFile(source, source, 0o644)),
  ...sourced.map((source) => bootFile(source, source.replace("boot/machine/", "machine/"), 0o644)),
  bootFile("images/steward/scripts/remove", "scripts/remove"),
  bootFile("images/steward/children/bootstrapper", "children/bootstrapper"),
  ...["receive", "checksums", "remove"].map((name) => bootFile("boot/machine/on-data", name)),
  ...["stage", "k3s-stop", "k3s-start"].map((name) => bootFile(`boot/machine/${name}`, name)),
  ...["boot", "fetch", "k3s", "again", "seen"].map((name) =>
    bootFile(`boot/machine/${name}`, `machine/${name}`),
  ),
  ...units.map((name) => bootFile(`boot/machine/units/${name}`, `units/${name}`, 0o644)),
];

/**
 * One word for a set of boot files, from their sums as `boot-files checksums` gives them; "" when one is missing.
 *
 * @param sums path below {@link machineDirectory} -> SHA-256
 */
export function bootRevision(sums: Readonly<Record<string, string>>): string {
  const lines = bootFiles.map(({ path }) => {
    const sum = sums[path] ?? "";
    return /^[0-9a-f]{64}$/.test(sum) ? `${sum}  ${path}\n` : "";
  });
  return lines.includes("") ? "" : createHash("sha256").update(lines.join("")).digest("hex");
}

/** What a machine knows of itself before anyone has reached it. */
export interface MachineNode {
  /** Name of the Kubernetes node. */
  readonly nodeName: string;
  /** Name in the tailnet, without its domain. */
  readonly tailnetHostName: string;
  /** URL of the control server; empty for Tailscale's own. */
  readonly loginServer: string;
}

/**
 * `steward/node.conf`, which starts the boot sequence; the name is that of every carrier.
 *
 * @throws RangeError for a value of more than one line
 */
export function renderNodeConf(node: MachineNode): string {
  return renderKeys({
    NODE: node.nodeName,
    TAILNET_HOSTNAME: node.tailnetHostName,
    LOGIN_SERVER: node.loginServer,
  });
}

/** A program to download. */
export interface Artifact {
  readonly name: "K3S" | "TAILSCALE";
  /** Where the file belongs on the machine; with `files`, the directory. */
  readonly path: string;
  /** Names of the files to take from a .tgz; none for a plain file. */
  readonly files: readonly string[];
  /** Per kind of machine; one that is missing cannot run the program. */
  readonly downloads: Readonly<Partial<Record<"amd64" | "arm64", Download>>>;
}

export interface Download {
  /** Tried in turn; the official site, or mirrors of it. */
  readonly urls: readonly string[];
  /** Of what each URL gives: 64 hexadecimal digits. */
  readonly sha256: string;
}

/**
 * `artifacts.conf`: one KEY=value per line, parsed and never sourced.
 *
 * @throws RangeError for a URL that is not http(s) or holds a space, and for a sum that is none
 */
export function renderArtifacts(artifacts: readonly Artifact[]): string {
  const keys: Record<string, string> = {};
  for (const { name, path, files, downloads } of artifacts) {
    for (const kind of ["amd64", "arm64"] as const) {
      const download = downloads[kind];
      if (download === undefined) continue;
      const key = `${name}_${kind.toUpperCase()}`;
      keys[`${key}_URL`] = download.urls.map(checkedUrl).join(" ");
      keys[`${key}_SHA256`] = checkedSum(download.sha256);
    }
    keys[`${name}_PATH`] = path;
    if (files.length > 0) keys[`${name}_FILES`] = files.join(" ");
  }
  return renderKeys(keys);
}

/** `KEY=value` lines. */
export function renderKeys(keys: Readonly<Record<string, string>>): string {
  return Object.entries(keys)
    .map(([key, value]) => {
      if (/\p{Cc}/u.test(value)) {
        throw new RangeError(`\`${key}\` must be one line of text, got ${JSON.stringify(value)}`);
      }
      return `${key}=${value}\n`;
    })
    .join("");
}

function checkedUrl(url: string): string {
  if (!/^https?:\/\/[^\s\p{Cc}]+$/u.test(url)) {
    throw new RangeError(`\`urls\` must be http:// or https:// without spaces, got ${JSON.stringify(url)}`);
  }
  return url;
}

function checkedSum(sum: string): string {
  if (!/^[0-9a-f]{64}$/.test(sum)) {
    throw new RangeError(`\`sha256\` must be 64 lower-case hexadecimal digits, got ${JSON.stringify(sum)}`);
  }
  return sum;
}
