/** What a stack needs of this machine: one whose nodes stand elsewhere needs neither Podman nor root. */
import type { Group } from "../toolchain/types.ts";
import type { Context } from "./context.ts";

/** True for stacks whose nodes are containers of this machine, and for every rehearsal. */
export function nodesHere({ environment }: Pick<Context, "environment">, topology: string): boolean {
  return topology === "ci" || (environment["HOMESPAN_REHEARSAL"] ?? "") !== "";
}

/** The groups of tools and images it takes. */
export function groupsFor(context: Pick<Context, "environment">, topology: string): readonly Group[] {
  return nodesHere(context, topology) ? ["core"] : ["cloud"];
}
