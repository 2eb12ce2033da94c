/** The machine that runs a stack of machines. */
import { artifactsVariable, readMirror, type Mirror } from "./artifacts.ts";
import { configurationError } from "./config.ts";
import { tailnetAccess } from "./headscale-access.ts";
import type { TailnetSettings } from "./machine-tailnet.ts";

/** What it is like; not configuration, because it differs from machine to machine. */
export interface StackMachine {
  /** Where machines download their programs; undefined for the official places. */
  readonly mirror: Mirror | undefined;
  /** CA of the tailnet's control server, PEM; "" for a public one. */
  readonly caCertificate: string;
}

/** @throws pulumi.RunError naming everything that keeps this machine from the tailnet's control server */
export async function stackMachine(stackName: string, config: TailnetSettings): Promise<StackMachine> {
  const { caCertificate, problems } = await tailnetAccess(config, process.env);
  if (problems.length > 0) throw configurationError(stackName, problems);
  return { mirror: readMirror(process.env[artifactsVariable]), caCertificate };
}
