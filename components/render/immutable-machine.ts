/** What every machine with an immutable system gets, by Ignition, before anyone can reach it. */
import { type FirstFiles, firewallUnit, layDown, sourceOf } from "./first-files.ts";
import type { IgnitionConfig, IgnitionFile, IgnitionUnit } from "./ignition.ts";
import { type Artifact, bootFiles, machineDirectory } from "./machine-files.ts";

/** Another one replaces the machine, unless the former is kept (components/libvirt/first-configuration.ts); what is on its data disk stays. */
export interface ImmutableMachine extends FirstFiles {
  /** The machine's own name. */
  readonly hostName: string;
  /** Who may log in. */
  readonly sshAuthorizedKeys: readonly string[];
  /**
   * All boot files, by their path in this project: the machine then begins by itself, and with a node and its key it enters the
   * tailnet before anyone has reached it.
   *
   * @default none: they are delivered by SSH
   */
  readonly bootSources?: Readonly<Record<string, string>>;
}

/** Where one system keeps what is not its own. */
export interface Places {
  readonly user: string;
  /** The boot files. */
  readonly library: string;
  /** The node's data. */
  readonly data: string;
  /** k3s and Tailscale. */
  readonly programs: string;
}

/** Disks a machine may have beside the one it starts from. https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms */
export const dataDiskSerial = "homespan-data";
const dataDiskDevice = `/dev/disk/by-id/virtio-${dataDiskSerial}`;
/** What the boot sequence finds the disk by (boot/machine/data.sh). */
const dataLabel = "homespan-data";

/** Firewall, files, keys, name and, where there is one, the data disk: of every system alike. */
export function immutableMachine(machine: ImmutableMachine, places: Places): Required<IgnitionConfig> {
  const enters = machine.bootSources !== undefined;
  return {
    users: [{ name: places.user, sshAuthorizedKeys: machine.sshAuthorizedKeys }],
    disks: [],
    filesystems: machine.dataDisk === "wanted" ? [dataFilesystem] : [],
    directories: [],
    files: [
      file("/etc/hostname", `${machine.hostName}\n`, 0o644, true),
      // Nobody has a password; this says so to whoever tries.
      file(
        "/etc/ssh/sshd_config.d/10-homespan.conf",
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\n",
      ),
      ...layDown(withPrograms(machine, places), places.library).map(({ path, mode, content }) =>
        // The firewall is in force before the network is: the machine may be commanded from the start.
        file(path, content, path === `${places.library}/boot-files` ? 0o755 : Number.parseInt(mode, 8)),
      ),
      ...(enters
        ? bootFiles.map((it) => ({
            ...file(`${places.library}/${it.path}`, boot(it.source), it.mode),
            compressed: true,
          }))
        : []),
    ],
    links: places.data === usualData ? [] : [{ path: `${places.library}/data`, target: places.data }],
    units: [
      {
        name: firewallUnit.name,
        enabled: true,
        contents: placedUnit(sourceOf(machine.sources, firewallUnit.source), places),
      },
      ...(enters ? bootFiles.filter(isOtherUnit).map((it) => unit(it.path, boot(it.source))) : []),
    ],
  };

  function boot(source: string): string {
    return sourceOf(machine.bootSources ?? {}, source);
  }

  function unit(path: string, content: string): IgnitionUnit {
    const name = path.slice("units/".length);
    const contents = placedUnit(content, places);
    return { name, ...(name === bootUnit ? { enabled: true } : {}), contents };
  }
}

const usualData = "/data";
/** The boot sequence. */
export const bootUnit = "homespan-boot.service";
const dataFilesystem = {
  device: dataDiskDevice,
  format: "ext4",
  label: dataLabel,
  options: ["-m", "0"],
} as const;

/** Files that no other installation may have left. */
function file(path: string, contents: string, mode = 0o644, overwrite = false): IgnitionFile {
  return { path, mode, contents, ...(overwrite ? { overwrite } : {}) };
}

function isOtherUnit({ path }: { readonly path: string }): boolean {
  return path.startsWith("units/") && path !== `units/${firewallUnit.name}`;
}

/** Units name the usual places; `boot-files start` (boot/machine/boot-files) does the same. */
export function placedUnit(text: string, { library, data }: Pick<Places, "library" | "data">): string {
  return text.replaceAll(`${machineDirectory}/`, `${library}/`).replaceAll(`${usualData}/`, `${data}/`);
}

function withPrograms(machine: ImmutableMachine, { programs }: Places): ImmutableMachine {
  return { ...machine, artifacts: placedArtifacts(machine.artifacts, programs) };
}

/** The programs where this system has room for them: /usr/local may be part of a read-only /usr. */
export function placedArtifacts(artifacts: readonly Artifact[], programs: string): Artifact[] {
  return artifacts.map((artifact) => ({
    ...artifact,
    path: artifact.path.replace("/usr/local/bin", programs),
  }));
}
