/**
 * What a machine does not allow its containers; found by detection, all false where an ordinary machine's Podman runs as root.
 *
 * The first two were met on CI machines that run jobs in containers themselves.
 */
export interface Restrictions {
  /** The machine has cgroup v1 only: kubelet from 1.35 on refuses to start unless told otherwise. */
  readonly cgroupV1: boolean;
  /** CAP_SYS_RESOURCE is missing: limits cannot be raised and OOM scores cannot be lowered. */
  readonly noSysResource: boolean;
  /** Podman runs without root: its containers are in a user namespace, and their networks in a network namespace of the user's. */
  readonly userNamespace: boolean;
}

export const unrestricted: Restrictions = { cgroupV1: false, noSysResource: false, userNamespace: false };

/**
 * What kubelet has to be told on such a machine.
 *
 * In a user namespace kubelet may not write some of the kernel's settings and not read /dev/kmsg, and ends for it, unless the feature
 * gate is on; k3s sets it by itself for `--rootless` alone. https://kubernetes.io/docs/tasks/administer-cluster/kubelet-in-userns/
 */
export function restrictedKubeletArguments({
  cgroupV1,
  userNamespace,
}: Omit<Restrictions, "noSysResource">): string[] {
  return [
    ...(userNamespace ? ["feature-gates=KubeletInUserNamespace=true"] : []),
    ...(cgroupV1 ? ["fail-cgroupv1=false"] : []),
  ];
}

/**
 * Podman flags a container needs on such a machine: without CAP_SYS_RESOURCE the runtime cannot raise limits to
 * Podman's defaults and fails before the container's first process.
 */
export function podmanLimitFlags(restrictions: Restrictions): string[] {
  return restrictions.noSysResource ? ["--ulimit=nofile=20000:20000", "--ulimit=nproc=1000:1000"] : [];
}
