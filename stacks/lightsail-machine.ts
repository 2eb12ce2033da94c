/** The machine that runs the lightsail stack. */
import { artifactsVariable, readMirror } from "./artifacts.ts";
import type { LightsailMachine } from "./lightsail.ts";

export function lightsailMachine(): LightsailMachine {
  return { mirror: readMirror(process.env[artifactsVariable]) };
}
