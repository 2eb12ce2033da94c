/** The machine that runs the lightsail stack. */
import { artifactsVariable, readMirror } from "./artifacts.ts";
import { configurationError } from "./config.ts";
import { tailnetAccess } from "./headscale-access.ts";
import type { LightsailConfig } from "./lightsail-config.ts";
import type { LightsailMachine } from "./lightsail.ts";

/** @throws pulumi.RunError naming everything that keeps this machine from the tailnet's control server */
export async function lightsailMachine(
  stackName: string,
  config: LightsailConfig,
): Promise<LightsailMachine> {
  const { caCertificate, problems } = await tailnetAccess(config, process.env);
  if (problems.length > 0) throw configurationError(stackName, problems);
  return { mirror: readMirror(process.env[artifactsVariable]), caCertificate };
}
