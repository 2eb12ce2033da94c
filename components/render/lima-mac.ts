/** What a machine must be like on which Lima is to run virtual machines: reads what provider/effects/lima/probe.sh printed, and judges it. */
import {
  type LimaDriver,
  leastIntelMacosForNewLinux,
  leastLima,
  leastMacosForVz,
  limaLongestSocket,
  limaSocketPathLimit,
} from "../upstream/lima.ts";
import { type MachineCheck, notice, ok, problem } from "./machine-check.ts";

/** The facts by their keys, texts as printed. */
export type LimaFacts = Readonly<Record<string, string>>;

/** What is to run there. */
export interface WantedOnMac {
  /** @default what the system and its version call for */
  readonly driver?: LimaDriver | undefined;
  /** Name of a network of socket_vmnet's, where one is wanted. */
  readonly vmnet?: string | undefined;
  readonly startAt: "boot" | "login" | "off";
  /** All of the stack's virtual machines. */
  readonly machines: readonly PlannedMachine[];
  /** Virtual machines that others have there. */
  readonly others: readonly OtherMachine[];
}

export interface PlannedMachine {
  readonly name: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** Of all its disks. */
  readonly diskGiB: number;
  readonly sshPort: number;
}

export interface OtherMachine {
  readonly name: string;
  readonly running: boolean;
  readonly memoryMiB: number;
  readonly sshPort: number;
}

/** What the Mac's own system keeps for itself before it begins to swap. */
const ownMemoryMiB = 4096;

/**
 * The facts of a probe's output.
 *
 * @throws RangeError when the text is not that of a probe
 */
export function parseLimaProbe(text: string): LimaFacts {
  const facts = Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const match = /^([A-Z_]+)=(.*)$/.exec(line);
      return match?.[1] === undefined || match[2] === undefined ? [] : [[match[1], match[2].trim()]];
    }),
  );
  if (facts["PROBE"] === "1") return facts;
  throw new RangeError(`a Mac's probe must begin with PROBE=1, got ${JSON.stringify(text.slice(0, 200))}`);
}

/** The driver for this machine: vz on macOS from 13.5 on, qemu everywhere else. */
export function limaDriverFor(facts: LimaFacts): LimaDriver {
  return isMac(facts) && isAtLeast(facts["OS_VERSION"] ?? "", leastMacosForVz) ? "vz" : "qemu";
}

/** Everything that was looked at, in the order in which one would mend it. */
export function judgeLimaMac(facts: LimaFacts, wanted: WantedOnMac): MachineCheck[] {
  return [
    user(facts),
    system(facts),
    lima(facts),
    driver(facts, wanted),
    ...(wanted.vmnet === undefined ? [] : [vmnet(facts, wanted.vmnet)]),
    start(facts, wanted),
    memory(facts, wanted),
    ...processors(facts, wanted),
    disk(facts, wanted),
    ...names(facts, wanted),
    ...ports(wanted),
  ];
}

function isMac(facts: LimaFacts): boolean {
  return facts["OS"] === "Darwin";
}

/** Numbers between dots, as many as there are. */
function isAtLeast(version: string, least: string): boolean {
  const [own, other] = [version, least].map((text) => text.split(/[^0-9]+/).map(Number));
  for (const [index, number] of (other ?? []).entries()) {
    const mine = own?.[index] ?? 0;
    if (mine !== number) return mine > number;
  }
  return true;
}

function user(facts: LimaFacts): MachineCheck {
  return facts["USER_ID"] === "0"
    ? problem("user", "Lima does not run as root", "log in as the user whose virtual machines they are")
    : ok("user", facts["USER_NAME"] ?? "");
}

function system(facts: LimaFacts): MachineCheck {
  const kind = `${facts["OS"] ?? ""} ${facts["OS_VERSION"] ?? ""}, ${facts["ARCHITECTURE"] ?? ""}`;
  if (facts["TRANSLATED"] === "1") {
    return problem(
      "system",
      "the command runs translated for Intel on an Apple processor",
      "log in with the Mac's own shell, and install Lima for Apple's processors",
    );
  }
  return ["Darwin", "Linux"].includes(facts["OS"] ?? "")
    ? ok("system", kind)
    : problem("system", `Lima is asked for on macOS and Linux, this is ${kind}`, "take another machine");
}

function lima(facts: LimaFacts): MachineCheck {
  const found = facts["LIMA"] ?? "";
  const fix = (verb: "install" | "upgrade"): string =>
    isMac(facts) ? `brew ${verb} lima` : `${verb} Lima by its release, see docs/lima.md`;
  if (found === "") return problem("lima", "limactl is not there", fix("install"));
  // A build between releases has no number that could be compared.
  return !/^\d/.test(found) || isAtLeast(found, leastLima)
    ? ok("lima", found)
    : problem("lima", `limactl must be ${leastLima} or newer, got ${found}`, fix("upgrade"));
}

function driver(facts: LimaFacts, wanted: WantedOnMac): MachineCheck {
  const chosen = wanted.driver ?? limaDriverFor(facts);
  const version = facts["OS_VERSION"] ?? "";
  if (chosen === "vz") {
    if (!isMac(facts)) return problem("driver", "vz is there on macOS alone", "`driver: qemu`, or none");
    if (!isAtLeast(version, leastMacosForVz)) {
      return problem(
        "driver",
        `vz starts no recent Linux on macOS ${version}: it must be ${leastMacosForVz} or newer`,
        "update macOS, or `driver: qemu`",
      );
    }
    if (facts["ARCHITECTURE"] === "x86_64" && !isAtLeast(version, leastIntelMacosForNewLinux)) {
      return notice(
        "driver",
        `vz starts Linux 6.12 and newer (Ubuntu 25.10) on an Intel Mac from macOS ${leastIntelMacosForNewLinux} on, this is ${version}`,
        "update macOS, or `driver: qemu`",
      );
    }
    return ok("driver", "vz");
  }
  if ((facts["QEMU"] ?? "") === "") {
    return problem(
      "driver",
      "QEMU is not there, and the driver is qemu",
      isMac(facts) ? "brew install qemu, or update macOS" : "apt-get install qemu-system qemu-utils",
    );
  }
  return facts["KVM"] === "no"
    ? notice(
        "driver",
        "qemu without KVM, many times slower",
        "let this user write to /dev/kvm: sudo usermod -aG kvm USER",
      )
    : ok("driver", "qemu");
}

function vmnet(facts: LimaFacts, name: string): MachineCheck {
  if (!isMac(facts)) {
    return problem(
      "network",
      `${name} is a network of socket_vmnet's, which is there on macOS alone`,
      "`network: user-v2`",
    );
  }
  const found = facts["VMNET"] ?? "";
  return found === "ok"
    ? ok("network", `socket_vmnet is root's, and may be started without a password`)
    : problem(
        "network",
        `socket_vmnet cannot be used: ${found === "" ? "no answer from limactl sudoers --check" : found}`,
        "install it where only root can write (not from Homebrew), then: " +
          "limactl sudoers >/tmp/lima && sudo install -o root /tmp/lima /etc/sudoers.d/lima; see docs/lima.md",
      );
}

function start(facts: LimaFacts, { startAt }: WantedOnMac): MachineCheck {
  if (startAt === "boot") {
    if (!isMac(facts)) {
      return problem(
        "start",
        "starting at boot is there on macOS alone",
        "`startAt: login`, and once: sudo loginctl enable-linger USER",
      );
    }
    return facts["SUDO_BOOT"] === "yes"
      ? ok("start", "with the Mac")
      : problem(
          "start",
          "limactl autostart must run launchctl, install and rm as root without a password",
          "allow it in /etc/sudoers.d, see docs/lima.md, or `startAt: login`",
        );
  }
  if (startAt === "off") return notice("start", "no virtual machine starts by itself");
  return !isMac(facts) && facts["LINGER"] !== "yes"
    ? notice("start", "virtual machines start when the user logs in", "sudo loginctl enable-linger USER")
    : ok("start", "with the user's login");
}

function memory(facts: LimaFacts, { machines, others }: WantedOnMac): MachineCheck {
  const total = Math.floor(Number(facts["MEMORY_BYTES"] ?? 0) / 1024 ** 2);
  const own = machines.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
  const strange = others.filter(({ running }) => running);
  const theirs = strange.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
  const sum = own + theirs;
  const text =
    `${machines.length} virtual machines with ${own} MiB` +
    (theirs === 0 ? "" : `, and ${theirs} MiB of ${strange.map(({ name }) => name).join(", ")}`);
  if (sum > total) {
    return problem(
      "memory",
      `${text}: the sum must be at most the ${total} MiB of this machine, got ${sum}`,
      "fewer machines, or less `memoryMiB` for each",
    );
  }
  return sum > total - ownMemoryMiB
    ? notice("memory", `${text}: of ${total} MiB only ${total - sum} are left to the machine's own system`)
    : ok("memory", `${text}, of ${total}`);
}

function processors(facts: LimaFacts, { machines }: WantedOnMac): MachineCheck[] {
  const present = Number(facts["CPUS"] ?? 0);
  return machines
    .filter(({ cpus }) => cpus > present)
    .map(({ name, cpus }) =>
      problem(
        "cpus",
        `${name} must have at most the ${present} processors of this machine, got ${cpus}`,
        "less `cpus`",
      ),
    );
}

/** Disks are sparse: what they may become is no reason to refuse them. */
function disk(facts: LimaFacts, { machines }: WantedOnMac): MachineCheck {
  const free = Math.floor(Number(facts["FREE_KIB"] ?? 0) / 1024 ** 2);
  const sum = machines.reduce((total, { diskGiB }) => total + diskGiB, 0);
  return sum > free
    ? notice(
        "disk",
        `disks may grow to ${sum} GiB in all, and ${free} GiB are free now`,
        "watch it, or take smaller disks",
      )
    : ok("disk", `${sum} GiB at most, ${free} GiB are free`);
}

function names(facts: LimaFacts, { machines }: WantedOnMac): MachineCheck[] {
  const directory = facts["LIMA_HOME"] ?? "";
  return machines
    .map(({ name }) => ({ name, length: `${directory}/${name}/${limaLongestSocket}`.length }))
    .filter(({ length }) => length >= limaSocketPathLimit)
    .map(({ name, length }) =>
      problem(
        "name",
        `${name} is too long for a socket below ${directory}: the path must be shorter than ${limaSocketPathLimit}, got ${length}`,
        "a shorter name of the cluster or the node, or LIMA_HOME elsewhere",
      ),
    );
}

function ports({ machines, others }: WantedOnMac): MachineCheck[] {
  return machines.flatMap(({ name, sshPort }, index) => {
    const same = [...machines.slice(0, index), ...others].find((it) => it.sshPort === sshPort);
    return same === undefined
      ? []
      : [
          problem(
            "port",
            `the SSH port of ${name} must be free, got ${sshPort}, which is that of ${same.name}`,
            "another `sshPort`",
          ),
        ];
  });
}
