/** What a machine must be like before Homespan joins it: reads what boot/machine/existing/probe printed, and judges it. */
import { notice, ok, problem, type MachineCheck } from "./machine-check.ts";

/** The facts by their keys, texts as printed; a list is words with spaces between. */
export type MachineFacts = Readonly<Record<string, string>>;

/** Which node the machine is to be. */
export interface WantedNode {
  readonly clusterName: string;
  readonly nodeName: string;
  /** Time on the machine that asks, milliseconds since 1970, taken when the probe was sent. */
  readonly now: number;
}

/** https://docs.k3s.io/installation/requirements#hardware; a machine sold as 1 GiB shows some 900 MiB of it. */
const leastMemoryMiB = 800;
/** Programs, images of the system's pods and room for the first ones of the cluster. */
const leastDiskMiB = 3 * 1024;
/** Certificates are judged by the clock, and the tailnet's control server allows no more. */
const mostClockSeconds = 60;
const architectures: readonly string[] = ["x86_64", "aarch64"];
/** Command the probe looks for -> package of Debian that has it. */
const packagesOf: Readonly<Record<string, string>> = {
  nft: "nftables",
  curl: "curl",
  "update-ca-certificates": "ca-certificates",
};

/**
 * The facts of a probe's output.
 *
 * @throws RangeError when the text is not that of a probe
 */
export function parseMachineProbe(text: string): MachineFacts {
  const facts = Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const match = /^([A-Z_]+)=(.*)$/.exec(line);
      return match?.[1] === undefined || match[2] === undefined ? [] : [[match[1], match[2].trim()]];
    }),
  );
  if (facts["PROBE"] === "1") return facts;
  throw new RangeError(
    `a machine's probe must begin with PROBE=1, got ${JSON.stringify(text.slice(0, 200))}`,
  );
}

/** Ports sshd listens on, ascending. */
export function sshPortsOf(facts: MachineFacts): number[] {
  return listOf(facts, "SSH_PORTS").map(Number);
}

/** True when the machine is this node already, and what it runs is Homespan's own. */
export function isThisNode(facts: MachineFacts, { clusterName, nodeName }: WantedNode): boolean {
  return (
    facts["DATA"] === "ours" && facts["OWNER_CLUSTER"] === clusterName && facts["OWNER_NODE"] === nodeName
  );
}

/** Everything that was looked at, in the order in which one would mend it. */
export function judgeMachine(facts: MachineFacts, wanted: WantedNode): MachineCheck[] {
  const joined = isThisNode(facts, wanted);
  return [
    root(facts),
    systemd(facts),
    system(facts),
    architecture(facts),
    tools(facts),
    machineId(facts),
    memory(facts),
    disk(facts),
    controlGroups(facts),
    kernel(facts),
    clock(facts, wanted),
    ...(joined ? [ok("data", "/data is this node's")] : [others(facts), ports(facts), data(facts)]),
    ...swap(facts),
    ...firewall(facts),
  ];
}

function root(facts: MachineFacts): MachineCheck {
  return facts["ROOT"] === "yes"
    ? ok("root", "commands run as root")
    : problem("root", "commands do not run as root", "log in as root, or as a user who may use sudo");
}

function systemd(facts: MachineFacts): MachineCheck {
  return facts["SYSTEMD"] === "yes"
    ? ok("systemd", "systemd runs it")
    : problem(
        "systemd",
        "systemd does not run this machine, and every part of a node is a unit of it",
        "install a system with systemd: Debian 12, Ubuntu 24.04 or Raspberry Pi OS",
      );
}

function system(facts: MachineFacts): MachineCheck {
  const name = facts["OS"] === "" ? "a system without a name" : (facts["OS"] ?? "");
  return facts["APT"] === "yes"
    ? ok("system", `${name}, Linux ${facts["KERNEL"] ?? ""}`)
    : problem(
        "system",
        `${name} has no apt-get: packages are taken from Debian and its relatives alone`,
        "install Debian 12, Ubuntu 24.04 or Raspberry Pi OS (64 bit)",
      );
}

function architecture(facts: MachineFacts): MachineCheck {
  const kind = facts["ARCHITECTURE"] ?? "";
  return architectures.includes(kind)
    ? ok("architecture", kind)
    : problem(
        "architecture",
        `k3s and Tailscale are there for ${architectures.join(" and ")}, this machine is ${kind}`,
        kind.startsWith("arm")
          ? "install the 64 bit system: a Raspberry Pi 3 and newer runs it"
          : "take another machine",
      );
}

/** Those of the base system come with no package of their own; the others are installed. */
function tools(facts: MachineFacts): MachineCheck {
  const missing = listOf(facts, "MISSING_TOOLS");
  if (missing.length > 0) {
    return problem(
      "tools",
      `${missing.join(", ")} must be installed`,
      "sudo apt-get install coreutils tar util-linux iproute2 mawk sed",
    );
  }
  const packages = listOf(facts, "MISSING_PACKAGES").map((command) => packagesOf[command] ?? command);
  return packages.length === 0
    ? ok("tools", "nothing is missing")
    : notice("tools", `will be installed: ${packages.join(", ")}; they stay when the node is removed`);
}

function machineId(facts: MachineFacts): MachineCheck {
  return (facts["MACHINE_ID"] ?? "") !== ""
    ? ok("machine-id", "/etc/machine-id is there")
    : problem("machine-id", "/etc/machine-id is missing or empty", "sudo systemd-machine-id-setup");
}

function memory(facts: MachineFacts): MachineCheck {
  const mib = Number(facts["MEMORY_MIB"]);
  return mib >= leastMemoryMiB
    ? ok("memory", `${String(mib)} MiB`)
    : problem(
        "memory",
        `${String(leastMemoryMiB)} MiB of memory are needed, this machine has ${String(mib)}`,
        "take a larger one",
      );
}

function disk(facts: MachineFacts): MachineCheck {
  const mib = Number(facts["DISK_MIB"]);
  return mib >= leastDiskMiB
    ? ok("disk", `${(mib / 1024).toFixed(1)} GiB are free for /data`)
    : problem(
        "disk",
        `${String(leastDiskMiB / 1024)} GiB must be free where /data is, this machine has ${(mib / 1024).toFixed(1)}`,
        "free some, or mount a larger disk at /data",
      );
}

function controlGroups(facts: MachineFacts): MachineCheck {
  const missing = listOf(facts, "MISSING_CONTROLLERS");
  if (missing.length > 0) {
    return problem(
      "cgroup",
      `the kernel runs without the controllers ${missing.join(", ")}, which limit what pods take`,
      "Raspberry Pi: append cgroup_memory=1 cgroup_enable=memory to the one line of /boot/firmware/cmdline.txt, then restart; " +
        "elsewhere take cgroup_disable= off the kernel's command line",
    );
  }
  return facts["CGROUP"] === "v2"
    ? ok("cgroup", "cgroup v2")
    : notice(
        "cgroup",
        "cgroup v1, which kubelet 1.35 refuses unless `kubeletArgs` has fail-cgroupv1=false",
        "boot with systemd.unified_cgroup_hierarchy=1 for v2",
      );
}

function kernel(facts: MachineFacts): MachineCheck {
  const missing = [...listOf(facts, "MISSING_MODULES"), ...(facts["TUN"] === "yes" ? [] : ["tun"])];
  return missing.length === 0
    ? ok("kernel", "its modules are there: vxlan, br_netfilter, overlay, tun")
    : problem(
        "kernel",
        `the kernel lacks the modules ${missing.join(", ")}: pods' network, volumes or the tailnet need them`,
        "Ubuntu on a Raspberry Pi: sudo apt-get install linux-modules-extra-raspi; elsewhere install the distribution's own kernel; after an upgrade of the kernel restart first",
      );
}

function clock(facts: MachineFacts, { now }: WantedNode): MachineCheck {
  const off = Math.round(Number(facts["CLOCK"]) - now / 1000);
  if (!(Math.abs(off) <= mostClockSeconds)) {
    const way = off > 0 ? "ahead" : "behind";
    return problem(
      "clock",
      `its clock is ${String(Math.abs(off))} s ${way} of this machine's: certificates would not be valid`,
      "sudo timedatectl set-ntp true",
    );
  }
  return facts["SYNCHRONISED"] === "no"
    ? notice("clock", "the time is right, and nothing keeps it so", "sudo timedatectl set-ntp true")
    : ok("clock", "the time is right");
}

function others(facts: MachineFacts): MachineCheck {
  const found = listOf(facts, "FOREIGN");
  if (found.length > 0) {
    return problem(
      "others",
      `another Kubernetes or Tailscale is on it: ${found.join(", ")}`,
      "remove it (k3s-uninstall.sh, rke2-uninstall.sh, kubeadm reset, sudo apt-get purge tailscale) with its directories, or take another machine",
    );
  }
  return facts["INSTALLED"] === "yes" && facts["DATA"] !== "ours"
    ? problem(
        "others",
        "Homespan is on it without a node's data: it is a cloud's instance, or was left halfway",
        "sudo /usr/lib/homespan/leave; a cloud's instance is not for `existing`",
      )
    : ok("others", "no other Kubernetes and no Tailscale");
}

function ports(facts: MachineFacts): MachineCheck {
  const taken = listOf(facts, "TAKEN_PORTS");
  return taken.length === 0
    ? ok("ports", "a node's ports are free")
    : problem("ports", `a node's ports are in use: ${taken.join(", ")}`, "who has them: sudo ss -lntup");
}

function data(facts: MachineFacts): MachineCheck {
  switch (facts["DATA"]) {
    case "absent":
    case "empty":
      return ok("data", "/data is free");
    case "ours":
      return problem(
        "data",
        `it is node ${facts["OWNER_NODE"] ?? ""} of cluster ${facts["OWNER_CLUSTER"] ?? ""} already`,
        "remove it there first; if that cluster is gone: sudo /usr/lib/homespan/leave",
      );
    default:
      return problem(
        "data",
        `/data must be free for the node's data, it holds ${facts["DATA_HOLDS"] ?? ""}`,
        "move what is there elsewhere",
      );
  }
}

function swap(facts: MachineFacts): MachineCheck[] {
  const mib = Number(facts["SWAP_MIB"]);
  return mib > 0
    ? [
        notice(
          "swap",
          `${String(mib)} MiB of swap, which k3s leaves alone: a pod's memory is not swapped`,
          "on an SD card better off: sudo dphys-swapfile swapoff",
        ),
      ]
    : [];
}

function firewall(facts: MachineFacts): MachineCheck[] {
  const found = listOf(facts, "FIREWALL");
  return found.length === 0
    ? []
    : [
        notice(
          "firewall",
          `${found.join(" and ")} is on, and stays as it is`,
          "what it drops on tailscale0, cni0 and flannel.1 is lost to the cluster: let these interfaces through",
        ),
      ];
}

function listOf(facts: MachineFacts, key: string): string[] {
  return (facts[key] ?? "").split(" ").filter((word) => word !== "");
}
