/** The Pulumi program: runs the topology that `homespan:topology` names. */
import "./lean-sdk.ts";
import { readSettings, type StackSettings } from "./config.ts";
import type { CiOutputs } from "./ci.ts";
import type { JoiningOutputs } from "./homelab-joining.ts";
import type { MachineOutputs } from "./machine-cluster.ts";
import type { Topology } from "./topology.ts";

type Outputs = CiOutputs | MachineOutputs | JoiningOutputs;

/** Called by Pulumi's program runner; what it returns are the stack's outputs. */
export default async function program(): Promise<Outputs> {
  // Pulumi's runner maps every stack trace back to sources, and its SDK takes one for each promise, which is a sixth of
  // this program's time. What runs here are the sources: Node strips types without moving a line.
  Reflect.deleteProperty(Error, "prepareStackTrace");
  const settings = readSettings();
  return programs[settings.topology](settings);
}

/** Each loads what it needs when it is the one: no stack pays for the clouds of another. */
const programs: Readonly<Record<Topology, (settings: StackSettings) => Promise<Outputs>>> = {
  async ci(settings) {
    const { ciConfig } = await import("./ci-config.ts");
    const config = ciConfig(settings);
    const [{ ciStack }, { ciMachine }] = await Promise.all([import("./ci.ts"), import("./ci-machine.ts")]);
    return ciStack(config, ciMachine());
  },
  async lightsail(settings) {
    const { lightsailConfig } = await import("./lightsail-config.ts");
    const checked = lightsailConfig(settings);
    const [{ lightsailStack }, { stackMachine }, { homeMakers }] = await Promise.all([
      import("./lightsail.ts"),
      import("./stack-machine.ts"),
      import("./home-hosts.ts"),
    ]);
    const makers = await homeMakers(checked.config.home);
    return lightsailStack(checked, await stackMachine(settings.stackName, checked.config), makers);
  },
  async homelab(settings) {
    const { homelabConfig } = await import("./homelab-config.ts");
    const { own, joining, warnings } = homelabConfig(settings);
    const { homeMakers } = await import("./home-hosts.ts");
    if (joining !== undefined) {
      const [{ homelabJoining }, { readJoin }, { readMirror, artifactsVariable }, makers] = await Promise.all(
        [
          import("./homelab-joining.ts"),
          import("./join.ts"),
          import("./artifacts.ts"),
          homeMakers(joining.home),
        ],
      );
      const mirror = readMirror(process.env[artifactsVariable]);
      const join = await readJoin(settings.stackName, joining);
      return homelabJoining({ joining, warnings }, join, { mirror, makers });
    }
    const [{ homelabStack }, { stackMachine }, makers] = await Promise.all([
      import("./homelab.ts"),
      import("./stack-machine.ts"),
      homeMakers(own.home),
    ]);
    return homelabStack({ own, warnings }, await stackMachine(settings.stackName, own), makers);
  },
};
