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
export interface UserData {
  /** Content of {@link userDataSources}, by path in this project. */
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
  /**
   * True for a machine that outlives its node: it gets the means to take all of this off again. Such a text is run by SSH,
   * and may be of any size.
   *
   * @default false
   */
  readonly leavable?: boolean;
}

export interface SeededNode extends MachineNode {
  /** CA of the control server, PEM; empty where the public CAs know it. */
  readonly caCertificate: string;
  /** The one secret user-data may hold: a key for a single login, soon expired. */
  readonly authKey?: string;
}

/** The script all user-data is made from. */
const script = "boot/machine/user-data";
const firewallUnit = "boot/machine/units/homespan-firewall.service";
const leave = "boot/machine/existing/leave";

/** Files of this project that {@link renderUserData} needs the content of. */
export const userDataSources: readonly string[] = [
  script,
  firewallUnit,
  leave,
  ...bakedFiles.map(({ source }) => source),
];

/** Our own limit, the lowest of the clouds': what Lightsail puts in front comes on top of it. */
export const userDataLimitBytes = 16 * 1024;

interface LaidDown {
  readonly path: string;
  readonly mode: "0600" | "0644" | "0755";
  readonly content: string;
}

/**
 * User-data for a machine with systemd, Debian or Ubuntu: a POSIX shell script that may run again.
 *
 * No `#cloud-config`: Lightsail puts `#!/bin/sh` lines of its own in front. Nothing of k3s is in it but where to get it.
 *
 * @throws RangeError when it would be larger than {@link userDataLimitBytes}, or when a value cannot be a file's content
 */
export function renderUserData(userData: UserData): string {
  const text = sourceOf(userData.sources, script).replace(/^ *# @FILES@\n/m, () =>
    laidDown(userData).map(renderFile).join(""),
  );
  const size = Buffer.byteLength(text);
  if (size > userDataLimitBytes && userData.leavable !== true) {
    throw new RangeError(`\`userData\` must be at most ${userDataLimitBytes} bytes, got ${size}`);
  }
  return text;
}

function laidDown(userData: UserData): LaidDown[] {
  const { sources, node, artifacts } = userData;
  return [
    plain("/etc/homespan/machine.conf", renderKeys({ DATA_DISK: userData.dataDisk })),
    plain("/etc/homespan/firewall.nft", renderFirewall(userData.firewall)),
    plain("/etc/systemd/system/homespan-firewall.service", sourceOf(sources, firewallUnit)),
    ...(artifacts.length > 0 ? [plain("/etc/homespan/artifacts.conf", renderArtifacts(artifacts))] : []),
    ...(node === undefined ? [] : seed(node)),
    ...(userData.leavable === true
      ? [{ path: `${machineDirectory}/leave`, mode: "0755" as const, content: sourceOf(sources, leave) }]
      : []),
    ...bakedFiles.map(({ source, path, mode }) => ({
      path: `${machineDirectory}/${path}`,
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

function plain(path: string, content: string): LaidDown {
  return { path, mode: "0644", content };
}

function sourceOf(sources: Readonly<Record<string, string>>, source: string): string {
  const content = sources[source];
  if (content === undefined) {
    throw new RangeError(`\`sources\` must hold ${source}, got ${JSON.stringify(Object.keys(sources))}`);
  }
  return content;
}

/** Between the quoted word and its repetition the shell reads everything as it is. */
function renderFile({ path, mode, content }: LaidDown): string {
  // A carriage return and what is no text would not arrive as they are on every way user-data goes.
  if (!content.endsWith("\n") || /[^\P{Cc}\n\t]/u.test(content)) {
    throw new RangeError(`\`${path}\` must be lines of text`);
  }
  let word = "END";
  while (content.split("\n").includes(word)) {
    word += "_";
  }
  return `  put ${mode} ${path} <<'${word}'\n${content}${word}\n`;
}
