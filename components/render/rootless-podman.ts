/**
 * What Podman without root needs of a machine, for nodes of the ci stack and, beside it, for pools of k3d. Judgement is pure; doctor
 * finds out what there is.
 */
import {
  delegatedControllers,
  delegatedTo,
  delegationFile,
  nodeModules,
  podmanSocket,
  subordinateIds,
} from "../upstream/podman.ts";
import { k3dEnvironment, k3dMachineArguments } from "./k3d.ts";
import { type MachineCheck, notice, ok, problem } from "./machine-check.ts";

/** What the checks judge. */
export interface RootlessFacts {
  readonly user: string;
  readonly cgroup: "v1" | "v2";
  /** Controllers that the user's session was handed down; undefined where systemd made no session for the user. */
  readonly controllers: readonly string[] | undefined;
  /** False where the kernel lets only root make user namespaces. */
  readonly userNamespaces: boolean;
  /** Of the user, in /etc/subuid and /etc/subgid. */
  readonly subordinateUids: number;
  readonly subordinateGids: number;
  /** True when `newuidmap` and `newgidmap` are on PATH. */
  readonly mapPrograms: boolean;
  /** Undefined when there is no `podman` on PATH. */
  readonly podman: string | undefined;
  /** True when a program that joins the user's networks to the machine's is on PATH: `slirp4netns`, or `pasta` from Podman 5 on. */
  readonly networkProgram: boolean;
  /** How Podman keeps images: `overlay`, `vfs`; undefined when it does not say. */
  readonly storageDriver: string | undefined;
  /** Of {@link nodeModules}, those that the kernel has neither loaded nor built in. */
  readonly missingModules: readonly string[];
  /** The user's XDG_RUNTIME_DIR, or where it would be. */
  readonly runtimeDirectory: string;
  /** True when Podman's API socket of this user is there. */
  readonly socket: boolean;
  /** `service_timeout` in containers.conf; undefined where it says nothing. */
  readonly serviceTimeout: number | undefined;
  readonly dockerHost: string | undefined;
  /** Below it, ports can be published by root alone. */
  readonly lowestPort: number;
  /** True when what the user runs outlives the login. */
  readonly lingers: boolean;
}

/** Where the facts about a user are found, and which of the kernel's modules are looked for. */
export function rootlessPlaces(
  uid: number,
  runtimeDirectory: string,
): { readonly delegated: string; readonly socket: string; readonly modules: readonly string[] } {
  return { delegated: delegatedTo(uid), socket: podmanSocket(runtimeDirectory), modules: nodeModules };
}

/** What any node without root needs, in the order in which a user would fix it. */
export function checkRootless(facts: RootlessFacts): readonly MachineCheck[] {
  return [
    cgroup(facts),
    ...(facts.cgroup === "v2" ? [delegation(facts)] : []),
    userns(facts),
    subids(facts),
    network(facts),
    storage(facts),
    modules(facts),
    linger(facts),
  ];
}

/** What k3d needs besides; the last one says how it is to be called. */
export function checkRootlessK3d(facts: RootlessFacts): readonly MachineCheck[] {
  const checks = [podman(facts), socket(facts), timeout(facts), ports(facts)];
  const ready = ![...checkRootless(facts), ...checks].some(({ result }) => result === "problem");
  return [...checks, k3d(facts, ready)];
}

function cgroup({ cgroup: version }: RootlessFacts): MachineCheck {
  if (version === "v2") return ok("cgroup", "cgroup v2");
  return problem(
    "cgroup",
    "cgroup v1 or hybrid: it hands nothing down to users, and kubelet needs it",
    "boot with systemd.unified_cgroup_hierarchy=1, or run Podman as root",
  );
}

function delegation({ controllers, user }: RootlessFacts): MachineCheck {
  if (controllers === undefined) {
    return problem(
      "delegation",
      `systemd must have a session for ${user}, found none`,
      `log in as ${user} by ssh or at the console (not with su), or: sudo loginctl enable-linger ${user}`,
    );
  }
  const missing = delegatedControllers.filter((controller) => !controllers.includes(controller));
  if (missing.length === 0) {
    return ok("delegation", `${delegatedControllers.join(" ")} are handed down`);
  }
  const text = `[Service]\\nDelegate=${delegatedControllers.join(" ")}\\n`;
  return problem(
    "delegation",
    `${delegatedControllers.join(" ")} must be handed down to users, missing: ${missing.join(" ")}`,
    `printf '${text}' | sudo install -D -m 0644 /dev/stdin ${delegationFile} && sudo systemctl daemon-reload, then log in again`,
  );
}

function userns({ userNamespaces, mapPrograms }: RootlessFacts): MachineCheck {
  if (!userNamespaces) {
    return problem(
      "userns",
      "the kernel lets only root make user namespaces",
      "sudo sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=28633, and the same below /etc/sysctl.d",
    );
  }
  if (mapPrograms) return ok("userns", "user namespaces can be made");
  return problem(
    "userns",
    "newuidmap and newgidmap must be installed, found none",
    "apt-get install uidmap, or shadow-utils elsewhere",
  );
}

function subids({ user, subordinateUids: uids, subordinateGids: gids }: RootlessFacts): MachineCheck {
  if (uids >= subordinateIds && gids >= subordinateIds) {
    return ok("subids", `${String(uids)} subordinate uids, ${String(gids)} gids`);
  }
  return problem(
    "subids",
    `${user} must have ${String(subordinateIds)} ids in /etc/subuid and /etc/subgid, got ${String(uids)} and ${String(gids)}`,
    `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user} && podman system migrate (another range where this one is taken)`,
  );
}

function podman({ podman: version }: RootlessFacts): MachineCheck {
  if (version !== undefined && Number(version.split(".")[0]) >= 4) {
    return ok("podman", `Podman ${version}`);
  }
  return problem(
    "podman",
    `Podman must be 4 or newer, got ${version ?? "none"}`,
    "install a newer podman: https://podman.io/docs/installation",
  );
}

function network({ networkProgram }: RootlessFacts): MachineCheck {
  if (networkProgram) return ok("network", "containers reach other machines");
  return problem(
    "network",
    "slirp4netns or pasta must be installed, found neither: it joins containers' networks to this machine's",
    "apt-get install slirp4netns, or passt with Podman 5",
  );
}

function storage({ storageDriver: driver }: RootlessFacts): MachineCheck {
  if (driver !== "vfs")
    return ok("storage", `Podman keeps images by ${driver ?? "a driver it does not name"}`);
  return notice(
    "storage",
    "Podman keeps images by vfs, which copies an image for each of its containers",
    "from Linux 5.13 on: printf '[storage]\\ndriver = \"overlay\"\\n' > ~/.config/containers/storage.conf && podman system reset (removes all images and containers)",
  );
}

/** In a user namespace the kernel loads none by name. */
function modules({ missingModules: missing }: RootlessFacts): MachineCheck {
  if (missing.length === 0) return ok("modules", "the kernel has the modules that nodes need");
  const names = missing.join(" ");
  return problem(
    "modules",
    `the kernel must have the modules that nodes need, missing: ${names}`,
    `sudo modprobe -a ${names}; for the machine's next start: printf '%s\\n' ${names} | sudo tee /etc/modules-load.d/homespan.conf`,
  );
}

function socket({ socket: there, runtimeDirectory }: RootlessFacts): MachineCheck {
  const path = podmanSocket(runtimeDirectory);
  if (there) return ok("socket", path);
  return problem(
    "socket",
    `Podman's API socket must be there, found no ${path}`,
    "systemctl --user enable --now podman.socket",
  );
}

/** With socket activation a service that ended is started again by the next call, so this is no more than a notice. */
function timeout({ serviceTimeout }: RootlessFacts): MachineCheck {
  if (serviceTimeout === 0) {
    return ok("timeout", "Podman's service does not end by itself");
  }
  return notice(
    "timeout",
    `Podman's service ends after ${String(serviceTimeout ?? 5)} s without a call`,
    "one that was not started by its socket stays away: in ~/.config/containers/containers.conf, below [engine], service_timeout=0",
  );
}

function ports({ lowestPort }: RootlessFacts): MachineCheck {
  return ok(
    "ports",
    `ports from ${String(lowestPort)} on can be published; for 80 and 443: sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80`,
  );
}

function linger({ lingers, user }: RootlessFacts): MachineCheck {
  if (lingers) return ok("linger", "containers outlive the login");
  return notice(
    "linger",
    `what ${user} runs ends with the last login`,
    `sudo loginctl enable-linger ${user}`,
  );
}

/** What the machine was found to be decides: without root where all of it is there, else as root. */
function k3d(
  { runtimeDirectory, cgroup: version, dockerHost }: RootlessFacts,
  rootless: boolean,
): MachineCheck {
  const place = {
    runtimeDirectory: rootless ? runtimeDirectory : "/run",
    rootless,
    cgroupV1: version === "v1",
  };
  const { DOCKER_HOST, DOCKER_SOCK } = k3dEnvironment(place);
  const words = ["k3d cluster create", ...k3dMachineArguments(place).map(quoted)].join(" ");
  const exported = `export DOCKER_HOST=${DOCKER_HOST} DOCKER_SOCK=${DOCKER_SOCK}`;
  const command = rootless ? words : `sudo --preserve-env=DOCKER_HOST,DOCKER_SOCK ${words}`;
  const other =
    dockerHost !== undefined && dockerHost !== DOCKER_HOST ? ` (DOCKER_HOST is ${dockerHost} now)` : "";
  return notice(
    "k3d",
    `${rootless ? "without root" : "as root"}${other}, see docs/podman.md`,
    `${exported}; ${command}`,
  );
}

function quoted(word: string): string {
  return /^[-\w./:=@]+$/.test(word) ? word : `'${word}'`;
}

/** Lines are `<user or id>:<first>:<count>`. https://man7.org/linux/man-pages/man5/subuid.5.html */
export function idsOf(text: string | undefined, user: string, uid: number): number {
  return (text ?? "")
    .split("\n")
    .map((line) => line.trim().split(":"))
    .filter(([owner]) => owner === user || owner === String(uid))
    .reduce((sum, [, , count]) => sum + (Number(count) || 0), 0);
}

/** The first containers.conf that sets it wins: the user's own comes before the machine's. */
export function serviceTimeoutIn(texts: readonly (string | undefined)[]): number | undefined {
  for (const text of texts) {
    const found = /^\s*service_timeout\s*=\s*(\d+)/m.exec(text ?? "")?.[1];
    if (found !== undefined) return Number(found);
  }
  return undefined;
}
