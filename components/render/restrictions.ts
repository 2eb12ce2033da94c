/**
 * What a machine does not allow its containers; found by detection, all false on an ordinary machine.
 *
 * Both were met on CI machines that run jobs in containers themselves.
 */
export interface Restrictions {
  /** The machine has cgroup v1 only: kubelet from 1.35 on refuses to start unless told otherwise. */
  readonly cgroupV1: boolean;
  /** CAP_SYS_RESOURCE is missing: limits cannot be raised and OOM scores cannot be lowered. */
  readonly noSysResource: boolean;
}

export const unrestricted: Restrictions = { cgroupV1: false, noSysResource: false };

/**
 * Podman flags a container needs on such a machine: without CAP_SYS_RESOURCE the runtime cannot raise limits to
 * Podman's defaults and fails before the container's first process.
 */
export function podmanLimitFlags(restrictions: Restrictions): string[] {
  return restrictions.noSysResource ? ["--ulimit=nofile=20000:20000", "--ulimit=nproc=1000:1000"] : [];
}
