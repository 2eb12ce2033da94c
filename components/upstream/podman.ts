/** Literals of Podman, and of what it needs to run without root. */

/** https://k3d.io/stable/usage/advanced/podman/ and https://kubernetes.io/docs/tasks/administer-cluster/kubelet-in-userns/ */
export const delegatedControllers = ["cpu", "cpuset", "io", "memory", "pids"] as const;

/** Where systemd learns what it hands down to users. https://rootlesscontaine.rs/getting-started/common/cgroup2/ */
export const delegationFile = "/etc/systemd/system/user@.service.d/delegate.conf";

/** What a user's session was handed down. */
export function delegatedTo(uid: number): string {
  const id = String(uid);
  return `/sys/fs/cgroup/user.slice/user-${id}.slice/user@${id}.service/cgroup.controllers`;
}

/**
 * Kernel modules that k3s asks for by name, which nothing in a user namespace can, by their names below /sys/module. File systems, kinds
 * of links and netfilter's extensions are loaded by the kernel itself when they are used.
 */
export const nodeModules = ["br_netfilter"] as const;

/** Podman's API socket, below /run for root and below $XDG_RUNTIME_DIR for others. https://docs.podman.io/en/latest/markdown/podman-system-service.1.html */
export function podmanSocket(runtimeDirectory: string): string {
  return `${runtimeDirectory}/podman/podman.sock`;
}

/** How many subordinate ids a user needs, so that every id of an image has one. https://github.com/containers/podman/blob/main/docs/tutorials/rootless_tutorial.md */
export const subordinateIds = 65536;
