/** What a stack needs of this machine: one whose nodes stand elsewhere needs neither Podman nor root. */
import type { Group } from "../toolchain/types.ts";
import type { Context } from "./context.ts";
import { type StackFile, settingOf } from "./settings.ts";

/** True for stacks whose nodes are containers of this machine, and for every rehearsal. */
export function nodesHere({ environment }: Pick<Context, "environment">, topology: string): boolean {
  return topology === "ci" || (environment["HOMESPAN_REHEARSAL"] ?? "") !== "";
}

/** True for a configuration with nodes in virtual machines on libvirt. */
export function hasVms(config: StackFile): boolean {
  return ["servers", "agents"].some((key) => {
    const nodes = settingOf(config, key);
    return Array.isArray(nodes) && nodes.some((it) => typeof it === "object" && it !== null && "vm" in it);
  });
}

/** A preview makes no machine, and so needs none of Debian's programs for it. */
const vmGroups = { make: ["libvirt", "vms"], look: ["libvirt"], none: [] } as const;

/**
 * The groups of tools and images it takes.
 *
 * @param does - `make`: a run that makes what is not there yet; `look`: nothing is needed that is of use to the nodes alone
 */
export function groupsFor(
  context: Pick<Context, "environment">,
  topology: string,
  config: StackFile,
  does: "make" | "look",
): readonly Group[] {
  const libvirt = vmGroups[hasVms(config) ? does : "none"];
  if (!nodesHere(context, topology)) return ["cloud", ...libvirt];
  const registry = does === "make" && settingOf(config, "registryPort") !== undefined;
  return ["core", ...(registry ? (["registry"] as const) : []), ...libvirt];
}
