import type { Restrictions } from "../../components/render/restrictions.ts";
import { detectMachine } from "../../toolchain/machine.ts";

/** What this machine does not allow the containers that stand for machines; they are root's, never in a user namespace. */
export function restrictionsHere(): Restrictions {
  const { cgroup, sysResource } = detectMachine();
  return { cgroupV1: cgroup === "v1", noSysResource: !sysResource, userNamespace: false };
}
