/** What a stack needs of this machine: one whose nodes stand elsewhere needs neither Podman nor root. */
import type { Group } from "../toolchain/types.ts";
import type { Context } from "./context.ts";
import { type StackFile, settingOf } from "./settings.ts";

/** True for stacks whose nodes are containers of this machine, and for every rehearsal. */
export function nodesHere({ environment }: Pick<Context, "environment">, topology: string): boolean {
  return topology === "ci" || (environment["HOMESPAN_REHEARSAL"] ?? "") !== "";
}

/**
 * The groups of tools and images it takes.
 *
 * @param config of a run that makes what is not there yet; without it nothing is made that is of use to the nodes alone
 */
export function groupsFor(
  context: Pick<Context, "environment">,
  topology: string,
  config?: StackFile,
): readonly Group[] {
  if (!nodesHere(context, topology)) return ["cloud"];
  const registry = config !== undefined && settingOf(config, "registryPort") !== undefined;
  return registry ? ["core", "registry"] : ["core"];
}
