/** The Pulumi program: runs the topology that `homespan:topology` names. */
import { detectMachine } from "../toolchain/machine.ts";
import { stewardRevision } from "../toolchain/steward-revision.ts";
import { ciConfig } from "./ci-config.ts";
import { ciStack, type CiOutputs } from "./ci.ts";
import { readSettings, type StackSettings } from "./config.ts";
import type { Topology } from "./topology.ts";

/** Called by Pulumi's program runner; what it returns are the stack's outputs. */
export default function program(): CiOutputs {
  // Pulumi's runner maps every stack trace back to sources, and its SDK takes one for each promise, which is a sixth of
  // this program's time. What runs here are the sources: Node strips types without moving a line.
  Reflect.deleteProperty(Error, "prepareStackTrace");
  const settings = readSettings();
  return programs[settings.topology](settings);
}

const programs: Readonly<Record<Topology, (settings: StackSettings) => CiOutputs>> = {
  ci: (settings) => ciStack(ciConfig(settings), thisMachine()),
};

function thisMachine(): Parameters<typeof ciStack>[1] {
  const machine = detectMachine();
  return {
    restrictions: { cgroupV1: machine.cgroup === "v1", noSysResource: !machine.sysResource },
    imagesDirectory: process.env["HOMESPAN_CLUSTER_IMAGES"],
    stewardRevision: stewardRevision(),
  };
}
