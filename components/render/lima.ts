/** What Lima makes a virtual machine of. */
import { type LimaDriver, type LimaImage, leastLima, limaName, limaUser } from "../upstream/lima.ts";
import type { LimaProvision } from "./lima-provision.ts";
import { type ConfigValue, renderYaml } from "./yaml.ts";

/**
 * How a virtual machine is connected.
 *
 * `user-v2`: Lima's own network, without root; the virtual machines of one Mac see each other in it, others on the LAN do not
 * see them. `vmnet`: a network of socket_vmnet's, `shared` or `bridged` or one of your own in ~/.lima/_config/networks.yaml.
 */
export type LimaNetwork = { readonly kind: "user-v2" } | { readonly kind: "vmnet"; readonly name: string };

export interface LimaMachine {
  readonly vmType: LimaDriver;
  /** One for each kind of processor the Mac may have. */
  readonly images: readonly LimaImage[];
  readonly cpus: number;
  readonly memoryMiB: number;
  /** The system's own disk, which goes with the virtual machine. */
  readonly diskGiB: number;
  /** Name of the Lima disk that holds the node's data. */
  readonly dataDisk: string;
  readonly network: LimaNetwork;
  /** Where SSH into the virtual machine answers on the Mac's 127.0.0.1. */
  readonly sshPort: number;
  readonly provision: readonly LimaProvision[];
  /** Tells whose it is: shown by `limactl list --json`. */
  readonly message: string;
}

/**
 * Lima's YAML for a virtual machine.
 *
 * `plain`: no mounts, no forwarded ports, no agent of Lima's in it, and none of Lima's scripts touch the data disk, which the
 * boot sequence looks after as on every carrier.
 *
 * @throws RangeError with all that Lima would refuse, or would read as something else
 */
export function renderLima(machine: LimaMachine): string {
  const problems = limaProblems(machine);
  if (problems.length > 0) throw new RangeError(problems.join("\n"));
  return renderYaml(
    {
      minimumLimaVersion: leastLima,
      vmType: machine.vmType,
      images: machine.images.map(({ arch, location, sha256 }) => ({
        arch,
        location,
        digest: `sha256:${sha256}`,
      })),
      cpus: machine.cpus,
      memory: limaMemory(machine.memoryMiB),
      disk: limaDisk(machine.diskGiB),
      additionalDisks: [{ name: machine.dataDisk, format: false }],
      networks: [{ lima: machine.network.kind === "vmnet" ? machine.network.name : machine.network.kind }],
      user: limaUser,
      ssh: { localPort: machine.sshPort, loadDotSSHPubKeys: false, forwardAgent: false },
      plain: true,
      mounts: [],
      containerd: { system: false, user: false },
      video: { display: "none" },
      upgradePackages: false,
      timezone: "Etc/UTC",
      provision: machine.provision.map(provision),
      message: machine.message,
    },
    "Written by Homespan; it is rendered again with the next change.",
    isNoBlock,
  );
}

/** Lima's parser (goccy/go-yaml) takes a tab at the beginning of a line for a wrong indentation, in a block of text too. */
function isNoBlock(text: string): boolean {
  return text.includes("\t") || /^\s/.test(text);
}

/** As it stands in the YAML, also when `limactl edit` writes it. */
export function limaMemory(memoryMiB: number): string {
  return `${memoryMiB}MiB`;
}

export function limaDisk(diskGiB: number): string {
  return `${diskGiB}GiB`;
}

function provision(entry: LimaProvision): ConfigValue {
  if (entry.mode === "system") return { mode: "system", script: entry.script };
  return { mode: "data", path: entry.path, permissions: entry.permissions, content: entry.content };
}

function limaProblems(machine: LimaMachine): string[] {
  const { dataDisk, images, network, sshPort } = machine;
  return [
    ...sizes(machine),
    ...(sshPort >= 1024 && sshPort <= 65_535 && Number.isInteger(sshPort)
      ? []
      : [`\`sshPort\` must be a whole number from 1024 to 65535, got ${sshPort}`]),
    ...limaNameProblems("dataDisk", dataDisk),
    ...(network.kind === "vmnet" ? limaNameProblems("network", network.name) : []),
    ...(images.length > 0 ? [] : ["`images` must name an image, got none"]),
    ...images.flatMap(imageProblems),
    ...machine.provision.flatMap(provisionProblems),
    ...texts("message", machine.message),
  ];
}

function sizes({ cpus, memoryMiB, diskGiB }: LimaMachine): string[] {
  return Object.entries({ cpus, memoryMiB, diskGiB }).flatMap(([name, value]) =>
    Number.isSafeInteger(value) && value > 0
      ? []
      : [`\`${name}\` must be a whole number above 0, got ${value}`],
  );
}

/** What Lima takes as the name of an instance, a disk or a network. */
export function limaNameProblems(field: string, name: string): string[] {
  if (name.length <= limaName.longest && limaName.pattern.test(name)) return [];
  return [
    `\`${field}\` must be at most ${limaName.longest} letters, digits and single hyphens, dots or underscores between them, ` +
      `got ${JSON.stringify(name)}`,
  ];
}

function imageProblems({ location, sha256 }: LimaImage): string[] {
  return [
    ...(/^(https?:\/\/|\/)[^\s\p{Cc}]+$/u.test(location)
      ? []
      : [
          `\`images\` must be http://, https:// or an absolute path without spaces, got ${JSON.stringify(location)}`,
        ]),
    ...(/^[0-9a-f]{64}$/.test(sha256)
      ? []
      : [
          `\`sha256\` must be 64 lower-case hexadecimal digits, got ${JSON.stringify(sha256)} for ${location}`,
        ]),
  ];
}

function provisionProblems(entry: LimaProvision): string[] {
  if (entry.mode === "system") return texts("script", entry.script);
  return [
    ...(/^(\/[A-Za-z0-9._-]+)+$/.test(entry.path)
      ? []
      : [`\`path\` must be an absolute path of plain words, got ${JSON.stringify(entry.path)}`]),
    ...texts(entry.path, entry.content),
  ];
}

/** Lima expands templates in all of these, and what it does not know becomes `<no value>`. */
function texts(field: string, text: string): string[] {
  return [
    ...(text.includes("{{") ? [`\`${field}\` must hold no {{, which Lima takes for a template`] : []),
    ...(/[^\P{Cc}\n\t]/u.test(text) ? [`\`${field}\` must be lines of text`] : []),
  ];
}
