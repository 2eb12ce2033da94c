/** The files a machine with systemd must have before anyone can reach it, whatever carries them there. */
import {
  type Artifact,
  type MachineNode,
  bakedFiles,
  machineDirectory,
  renderArtifacts,
  renderKeys,
  renderNodeConf,
} from "./machine-files.ts";
import { type Firewall, renderFirewall } from "./machine-firewall.ts";

/** What must be on a machine before anyone can reach it; a change of it replaces the machine. */
export interface FirstFiles {
  /** Content of {@link firstFileSources}, by path in this project. */
  readonly sources: Readonly<Record<string, string>>;
  /**
   * `wanted`: the node's data is on a disk with the label `homespan-data`, or on the only empty one, which is formatted
   * then; the boot sequence waits until there is one. `none`: on the machine's own disk.
   */
  readonly dataDisk: "none" | "wanted";
  /** The rules until others are delivered. */
  readonly firewall: Firewall;
  /** With it the machine enters the tailnet as soon as it has its boot files; otherwise when it is delivered. */
  readonly node?: SeededNode;
  /** What to download, until another artifacts.conf is delivered. */
  readonly artifacts: readonly Artifact[];
}

export interface SeededNode extends MachineNode {
  /** CA of the control server, PEM; empty where the public CAs know it. */
  readonly caCertificate: string;
  /** The one secret a first file may hold: a key for a single login, soon expired. */
  readonly authKey?: string;
}

export interface LaidDown {
  readonly path: string;
  readonly mode: "0600" | "0644" | "0755";
  readonly content: string;
}

/** The unit that puts the first rules in force. */
export const firewallUnit = {
  name: "homespan-firewall.service",
  source: "boot/machine/units/homespan-firewall.service",
} as const;

/** Files of this project that {@link layDown} needs the content of. */
export const firstFileSources: readonly string[] = [
  firewallUnit.source,
  ...bakedFiles.map(({ source }) => source),
];

/**
 * The files, the firewall's unit aside.
 *
 * @param library where the boot files go
 * @throws RangeError when a value cannot be a file's content
 */
export function layDown(files: FirstFiles, library: string = machineDirectory): LaidDown[] {
  const { sources, node, artifacts } = files;
  return [
    plain("/etc/homespan/machine.conf", renderKeys({ DATA_DISK: files.dataDisk })),
    plain("/etc/homespan/firewall.nft", renderFirewall(files.firewall)),
    ...(artifacts.length > 0 ? [plain("/etc/homespan/artifacts.conf", renderArtifacts(artifacts))] : []),
    ...(node === undefined ? [] : seed(node)),
    ...bakedFiles.map(({ source, path, mode }) => ({
      path: `${library}/${path}`,
      mode: mode === 0o755 ? ("0755" as const) : ("0644" as const),
      content: sourceOf(sources, source),
    })),
  ];
}

function seed(node: SeededNode): LaidDown[] {
  const directory = "/etc/homespan/seed";
  if (node.authKey !== undefined && !/^[\x21-\x7e]+$/.test(node.authKey)) {
    // Not repeated: it is a secret.
    throw new RangeError("`authKey` must be one word of ASCII characters");
  }
  return [
    ...(node.caCertificate === "" ? [] : [plain(`${directory}/ca.pem`, node.caCertificate)]),
    ...(node.authKey === undefined
      ? []
      : [{ path: `${directory}/authkey`, mode: "0600" as const, content: `${node.authKey}\n` }]),
    plain(`${directory}/node.conf`, renderNodeConf(node)),
  ];
}

export function plain(path: string, content: string): LaidDown {
  return { path, mode: "0644", content };
}

/** @throws RangeError when it was not given */
export function sourceOf(sources: Readonly<Record<string, string>>, source: string): string {
  const content = sources[source];
  if (content === undefined) {
    throw new RangeError(`\`sources\` must hold ${source}, got ${JSON.stringify(Object.keys(sources))}`);
  }
  return content;
}
