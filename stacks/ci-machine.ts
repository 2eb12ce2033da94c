/** The machine that runs the ci stack. */
import { socketsFolder } from "../toolchain/folders.ts";
import { detectMachine, withoutRoot } from "../toolchain/machine.ts";
import { stewardRevision } from "../toolchain/steward-revision.ts";
import type { CiMachine } from "./ci.ts";

export function ciMachine(): CiMachine {
  const machine = detectMachine();
  return {
    restrictions: {
      cgroupV1: machine.cgroup === "v1",
      noSysResource: !machine.sysResource,
      userNamespace: withoutRoot(machine),
    },
    socketsDirectory: socketsFolder(),
    imagesDirectory: process.env["HOMESPAN_CLUSTER_IMAGES"],
    stewardRevision: stewardRevision(),
  };
}
