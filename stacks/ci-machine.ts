/** The machine that runs the ci stack. */
import { detectMachine } from "../toolchain/machine.ts";
import { stewardRevision } from "../toolchain/steward-revision.ts";
import type { CiMachine } from "./ci.ts";

export function ciMachine(): CiMachine {
  const machine = detectMachine();
  return {
    restrictions: { cgroupV1: machine.cgroup === "v1", noSysResource: !machine.sysResource },
    imagesDirectory: process.env["HOMESPAN_CLUSTER_IMAGES"],
    stewardRevision: stewardRevision(),
  };
}
