/**
 * Ignition: what a machine that cannot be changed later finds when it starts for the first time.
 * https://coreos.github.io/ignition/configuration-v3_4/
 */
import { gzipSync } from "fflate";
import { checkIgnition } from "./ignition-rules.ts";

/** The version Flatcar and Fedora CoreOS both read. */
export const ignitionVersion = "3.4.0";

/** Everything one machine gets, in the order it is written down. */
export interface IgnitionConfig {
  readonly users?: readonly IgnitionUser[];
  readonly disks?: readonly IgnitionDisk[];
  readonly filesystems?: readonly IgnitionFilesystem[];
  readonly directories?: readonly IgnitionDirectory[];
  readonly files?: readonly IgnitionFile[];
  readonly links?: readonly IgnitionLink[];
  readonly units?: readonly IgnitionUnit[];
}

export interface IgnitionUser {
  readonly name: string;
  /** Lines of authorized_keys. Nobody gets a password: without one there is no login by password. */
  readonly sshAuthorizedKeys: readonly string[];
}

/** A partition table; one that is there is kept. */
export interface IgnitionDisk {
  /** A name that stays the same, such as /dev/disk/by-id/... */
  readonly device: string;
  readonly partitions: readonly IgnitionPartition[];
}

export interface IgnitionPartition {
  readonly label: string;
  /**
   * Which one of the table is meant, from 1 on. Without it Ignition would make another one at each installation, whatever label
   * the one that is there has. https://coreos.github.io/ignition/operator-notes/#partition-reuse-semantics
   */
  readonly number: number;
  /** @default that of the partition that is there, else all that is left */
  readonly sizeMiB?: number;
  /**
   * True to make a partition that is there as large as this.
   *
   * @default false: one of another size is an error
   */
  readonly resize?: boolean;
}

/** A file system that is made where there is none. One that is there is kept, with everything in it. */
export interface IgnitionFilesystem {
  readonly device: string;
  readonly format: "ext4" | "xfs";
  /** Another label on the device is an error: the file system is somebody else's. */
  readonly label: string;
  /**
   * Where Ignition mounts it while it writes files.
   *
   * @default nowhere
   */
  readonly path?: string;
  /**
   * Further words for mkfs.
   *
   * @default none
   */
  readonly options?: readonly string[];
}

export interface IgnitionDirectory {
  readonly path: string;
  readonly mode: number;
}

export interface IgnitionFile {
  readonly path: string;
  readonly mode: number;
  /** The text itself, or where Ignition downloads it from. */
  readonly contents: string | IgnitionDownload;
  /**
   * True to write it compressed: a machine reads a long configuration slowly.
   *
   * @default false
   */
  readonly compressed?: boolean;
  /**
   * True to replace what an earlier installation left.
   *
   * @default false: a file that is there with another content is an error
   */
  readonly overwrite?: boolean;
}

export interface IgnitionDownload {
  readonly url: string;
  /** 64 hexadecimal digits; Ignition writes nothing that has another sum. */
  readonly sha256: string;
}

/** A symbolic link. */
export interface IgnitionLink {
  readonly path: string;
  readonly target: string;
}

export interface IgnitionUnit {
  /** With its suffix. */
  readonly name: string;
  /** @default left as the system has it */
  readonly enabled?: boolean;
  /** True for a unit that nothing may start. @default false */
  readonly mask?: boolean;
  /** @default the system's own */
  readonly contents?: string;
  /** Name ending in .conf -> content. @default none */
  readonly dropIns?: Readonly<Record<string, string>>;
}

/**
 * The text for Ignition: JSON with the keys in the order of the specification, so that the same data gives the same text.
 *
 * No file system is ever wiped, no partition table either, and no password set: there is no option for them.
 *
 * @throws RangeError that names everything Ignition would refuse on the machine, where nobody sees it
 */
export function renderIgnition(config: IgnitionConfig): string {
  checkIgnition(config);
  const { users = [], disks = [], filesystems = [], directories = [], files = [], links = [] } = config;
  const document = {
    ignition: { version: ignitionVersion },
    ...section("passwd", { users: users.map(user) }),
    ...section("storage", {
      disks: disks.map(disk),
      filesystems: filesystems.map(filesystem),
      directories: directories.map(({ path, mode }) => ({ path, mode })),
      files: files.map(file),
      // Replaces a link or file that is there: a link holds nothing that could be lost.
      links: links.map(({ path, target }) => ({ path, target, overwrite: true })),
    }),
    ...section("systemd", { units: (config.units ?? []).map(unit) }),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** Nothing at all where every list is empty. */
function section(name: string, lists: Readonly<Record<string, readonly object[]>>): object {
  const filled = Object.entries(lists).filter(([, list]) => list.length > 0);
  return filled.length === 0 ? {} : { [name]: Object.fromEntries(filled) };
}

function user({ name, sshAuthorizedKeys }: IgnitionUser): object {
  return { name, sshAuthorizedKeys };
}

function disk({ device, partitions }: IgnitionDisk): object {
  return {
    device,
    wipeTable: false,
    partitions: partitions.map(({ label, number, sizeMiB, resize }) => ({
      number,
      label,
      ...(sizeMiB === undefined ? {} : { sizeMiB }),
      wipePartitionEntry: false,
      ...(resize === true ? { resize } : {}),
    })),
  };
}

function filesystem({ device, format, label, path, options }: IgnitionFilesystem): object {
  return {
    device,
    format,
    label,
    ...(path === undefined ? {} : { path }),
    wipeFilesystem: false,
    ...(options === undefined || options.length === 0 ? {} : { options }),
  };
}

function file({ path, mode, contents, overwrite, compressed }: IgnitionFile): object {
  const where =
    typeof contents === "string"
      ? compressed === true
        ? { compression: "gzip", source: gzipUrl(contents) }
        : { source: dataUrl(contents) }
      : { source: contents.url, verification: { hash: `sha256-${contents.sha256}` } };
  return { path, mode, ...(overwrite === true ? { overwrite } : {}), contents: where };
}

/** https://www.rfc-editor.org/rfc/rfc2397: bytes of UTF-8, escaped wherever they are no letters or digits. */
function dataUrl(text: string): string {
  return `data:,${encodeURIComponent(text)}`;
}

/** Without a time in it: the same text gives the same URL, on every machine. */
function gzipUrl(text: string): string {
  const bytes = gzipSync(new TextEncoder().encode(text), { level: 9, mtime: 0 });
  return `data:;base64,${Buffer.from(bytes).toString("base64")}`;
}

function unit({ name, enabled, mask, contents, dropIns }: IgnitionUnit): object {
  const dropins = Object.entries(dropIns ?? {}).map(([dropIn, text]) => ({ name: dropIn, contents: text }));
  return {
    name,
    ...(enabled === undefined ? {} : { enabled }),
    ...(mask === true ? { mask } : {}),
    ...(contents === undefined ? {} : { contents }),
    ...(dropins.length === 0 ? {} : { dropins }),
  };
}
