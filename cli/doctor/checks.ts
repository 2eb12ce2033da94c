/** Judges the facts of this machine. Pure. */
import type { Facts } from "./probes.ts";

export interface Check {
  readonly name: string;
  /** `problem` stops `up` before it starts; `notice` says what will be done about something unusual. */
  readonly result: "ok" | "notice" | "problem";
  readonly message: string;
  readonly fix?: string;
}

const gibibyte = 2 ** 30;

/** Which nodes a stack has on this machine: none, containers on its Podman, or containers that stand for machines, in a rehearsal. */
export type NodesHere = "none" | "containers" | "machines";

/** Nothing where there is nothing to judge. */
type Rule = (facts: Facts, nodes: NodesHere) => Check | undefined;

const rules: readonly Rule[] = [
  platform,
  root,
  podman,
  packages,
  tun,
  cgroup,
  capabilities,
  nft,
  go,
  disk,
  nodeVersion,
  npm,
  ports,
  registry,
];

/** What also a machine must have that only drives others. */
const drivers: readonly Rule[] = [go, disk, nodeVersion, npm];

/** Every check, in the order in which a user would fix them; without root those of Podman without root come besides. */
export function checkMachine(facts: Facts, nodes: NodesHere = "containers"): Check[] {
  return (nodes === "none" ? drivers : rules)
    .map((rule) => rule(facts, nodes))
    .filter((check) => check !== undefined);
}

function platform({ platform: name, arch, system }: Facts): Check {
  if (name === "linux") return ok("platform", `${system}, ${arch}`);
  return problem(
    "platform",
    `nodes in containers need Linux, this is ${name}`,
    "run it on a Linux machine; stacks of cloud or VM nodes work from here",
  );
}

function root({ root: isRoot }: Facts, nodes: NodesHere): Check {
  if (isRoot) return ok("root", "runs as root");
  if (nodes === "containers") {
    return notice(
      "root",
      "runs without root: nodes are in a user namespace",
      "see docs/podman.md for what is different, or: sudo -E ./homespan up",
    );
  }
  return problem(
    "root",
    "a rehearsal needs root: its machines are containers with systemd in them",
    "sudo -E ./homespan rehearse ...",
  );
}

function podman({ podman: version, debian, missingPackages, system }: Facts): Check {
  if (version === undefined) {
    // The next check says how it gets installed.
    if (missingPackages.includes("podman")) {
      return notice("podman", "Podman is not installed", "comes with the packages");
    }
    if (debian) {
      return problem(
        "podman",
        "Podman must answer, got nothing from it although its package is installed",
        "see what it says: podman --version; is its folder, /usr/bin, in PATH?",
      );
    }
    return problem(
      "podman",
      `Podman must be installed, got none on ${system}`,
      "install podman 4.3 or newer: https://podman.io/docs/installation",
    );
  }
  if (!atLeast(version, 4, 3)) {
    return problem(
      "podman",
      `Podman must be 4.3 or newer, got ${version}`,
      "upgrade the distribution, or install a newer podman: https://podman.io/docs/installation",
    );
  }
  return ok("podman", `Podman ${version}`);
}

function packages({ missingPackages, installCommand, mayInstall }: Facts): Check {
  if (missingPackages.length === 0) return ok("packages", "no package is missing");
  const missing = `Debian packages are missing: ${missingPackages.join(", ")}`;
  if (mayInstall) return notice("packages", missing, `will run: ${installCommand}`);
  return problem("packages", missing, `${installCommand} (or give --yes)`);
}

function tun({ tun: present, platform: name }: Facts): Check {
  if (present || name !== "linux") return ok("tun", "/dev/net/tun can be opened");
  return problem(
    "tun",
    "/dev/net/tun cannot be opened, and every node's tailscaled needs it",
    "modprobe tun; in a container: start it with --device /dev/net/tun",
  );
}

/** What is wanted of it without root is another check's. */
function cgroup({ cgroup: version, root: isRoot }: Facts): Check | undefined {
  if (!isRoot) return undefined;
  if (version === "v2") return ok("cgroup", "cgroup v2");
  return notice(
    "cgroup",
    "cgroup v1, which kubelet and crun refuse by themselves",
    "will use runc and kubelet's fail-cgroupv1=false; for v2: boot with systemd.unified_cgroup_hierarchy=1",
  );
}

function capabilities({ missingCapabilities, sysResource }: Facts): Check {
  if (missingCapabilities.length > 0) {
    return problem(
      "capabilities",
      `nodes need ${missingCapabilities.join(" and ")}, which this machine does not give: they mount, make networks and filter packets`,
      "in a container: start it with --privileged; else run it on a machine of its own",
    );
  }
  if (sysResource) return ok("capabilities", "CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_SYS_RESOURCE are there");
  return notice(
    "capabilities",
    "CAP_SYS_RESOURCE is missing: limits and oom scores cannot be raised",
    "will start containers with ulimits this machine allows and containerd with restrict_oom_score_adj",
  );
}

/** On Debian the packages say it. */
function nft({ nft: present, debian, platform: name, system }: Facts): Check {
  if (present || debian || name !== "linux") return ok("nft", "nft is there or comes with the packages");
  return problem(
    "nft",
    `nft must be installed, got none on ${system}: the firewall between sites is made with it`,
    "install nftables",
  );
}

function go({ goMissing }: Facts): Check {
  if (goMissing === undefined) return ok("go", "nothing is to be built, or go is there");
  const [message = goMissing, fix = "install it from https://go.dev/dl"] = goMissing.split("; ");
  return problem("go", message, fix);
}

/** GiB of images and node data, once the tools are there. */
const clusterSpace = 5;

function disk({ cacheFree, storageFree, storagePath, outstanding }: Facts): Check {
  const needed = clusterSpace + (outstanding?.neededGiB ?? 0);
  const making = { download: "tools to download", modules: "tools to build from Go modules" };
  const why = `images and node data${outstanding === undefined ? "" : `, ${making[outstanding.source]}`}`;
  const [free, where] =
    cacheFree < storageFree ? [cacheFree, "the cache folder"] : [storageFree, storagePath];
  const gib = (free / gibibyte).toFixed(1);
  if (free >= needed * gibibyte) return ok("disk", `${gib} GiB free`);
  return problem(
    "disk",
    `${String(needed)} GiB must be free (${why}), got ${gib} GiB at ${where}`,
    "free some, or set HOMESPAN_CACHE to a folder on a larger disk",
  );
}

function nodeVersion({ nodeVersion: version }: Facts): Check {
  if (atLeast(version, 24, 0)) return ok("node", `Node ${version}`);
  return problem("node", `Node must be 24 or newer here, got ${version}`, "start it as ./homespan");
}

function npm({ npmVersion }: Facts): Check {
  if (npmVersion !== undefined) return ok("npm", `npm ${npmVersion}`);
  return notice(
    "npm",
    "npm is not on PATH",
    "needed only when package-lock.json changes: install Node 20 or newer",
  );
}

function ports({ takenPorts, registryPort }: Facts): Check {
  const taken = takenPorts.filter((port) => port !== registryPort);
  if (taken.length === 0) return ok("apiPort", "the API's ports on 127.0.0.1 are free");
  return problem(
    "apiPort",
    `\`apiPort\` must be free, got ${taken.join(", ")} in use by another process`,
    "choose another: --set apiPort=16443; who has it: ss -ltnp",
  );
}

function registry({ takenPorts, registryPort: port }: Facts): Check | undefined {
  if (port === undefined) return undefined;
  if (!takenPorts.includes(port)) return ok("registryPort", "the registry's port on 127.0.0.1 is free");
  return problem(
    "registryPort",
    `\`registryPort\` must be free, got ${String(port)} in use by another process`,
    "choose another: --set registryPort=15000; who has it: ss -ltnp",
  );
}

function ok(name: string, message: string): Check {
  return { name, result: "ok", message };
}

function notice(name: string, message: string, fix: string): Check {
  return { name, result: "notice", message, fix };
}

function problem(name: string, message: string, fix: string): Check {
  return { name, result: "problem", message, fix };
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [foundMajor = 0, foundMinor = 0] = version.split(".").map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}

/** One line per check, the fix on a second. */
export function describeChecks(checks: readonly Check[]): string {
  const marks = { ok: "ok     ", notice: "notice ", problem: "PROBLEM" } as const;
  return checks
    .map(({ name, result, message, fix }) => {
      const line = `${marks[result]}  ${name.padEnd(12)} ${message}`;
      return fix === undefined
        ? line
        : `${line}\n${" ".repeat(22)}${result === "problem" ? `fix: ${fix}` : fix}`;
    })
    .join("\n");
}
