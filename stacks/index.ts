/** The Pulumi program: runs the topology that `homespan:topology` names. */
import "./lean-sdk.ts";
import { readSettings, type StackSettings } from "./config.ts";
import type { CiOutputs } from "./ci.ts";
import type { LightsailOutputs } from "./lightsail.ts";
import type { Topology } from "./topology.ts";

type Outputs = CiOutputs | LightsailOutputs;

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
    const [{ lightsailStack }, { lightsailMachine }] = await Promise.all([
      import("./lightsail.ts"),
      import("./lightsail-machine.ts"),
    ]);
    return lightsailStack(checked, await lightsailMachine(settings.stackName, checked.config));
  },
};
