/** In which rehearsal a stack is: its own, or that of the stack whose cluster it joins. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Rehearsal } from "../rehearsal/rehearsal.ts";
import type { Context } from "./context.ts";
import { InputError } from "./errors.ts";
import { joinedStack } from "./settings.ts";
import type { Stack } from "./stack.ts";
import { composeConfig } from "./state.ts";

export interface RehearsalPlace {
  readonly rehearsal: Rehearsal;
  /** The stack whose rehearsal it is, where that is another one. */
  readonly joins: string | undefined;
}

/**
 * The rehearsal a stack is in, also for whoever is in its environment already.
 *
 * @throws InputError for a verb that needs this machine as it is
 */
export async function placeOf(
  { paths, environment }: Context,
  stack: Stack,
  verb: string,
  settings: readonly string[],
): Promise<RehearsalPlace> {
  const inside = environment["HOMESPAN_REHEARSAL"] ?? "";
  if (inside !== "" && (basename(inside) === stack.name || (await isJoined(inside, stack)))) {
    if (["status", "env", "fault"].includes(verb)) return placeIn(inside, stack);
    throw new InputError(
      `rehearse ${stack.name} ${verb} must be run outside of the rehearsal's environment, got HOMESPAN_REHEARSAL; use another shell`,
    );
  }
  const all = join(paths.state, "rehearsal");
  // Where it was joined before, whatever this run's settings say.
  for (const other of await readdir(all).catch(() => [])) {
    if (await isJoined(join(all, other), stack)) return placeIn(join(all, other), stack);
  }
  const joins = joinedStack(await composeConfig(paths, stack, settings));
  const own = join(all, stack.name);
  if (joins === undefined || joins === stack.name || !existsSync(own)) {
    return placeIn(join(all, joins ?? stack.name), stack);
  }
  if (verb === "up" || verb === "preview") {
    throw new InputError(
      `rehearse ${stack.name} ${verb} must not \`join\` while it is rehearsed as a cluster of its own, got join ${joins}; add --set join=null, or first run: ./homespan rehearse ${stack.name} destroy`,
    );
  }
  return placeIn(own, stack);
}

async function isJoined(folder: string, stack: Stack): Promise<boolean> {
  return (await new Rehearsal(folder, "").joined()).includes(stack.name);
}

function placeIn(folder: string, stack: Stack): RehearsalPlace {
  const owner = basename(folder);
  return {
    rehearsal: new Rehearsal(folder, `rehearsal-${owner}`),
    joins: owner === stack.name ? undefined : owner,
  };
}
