/**
 * Servers that leave while no other one stays: the cluster's data would go with them. A server that is replaced joins those
 * that stay, and the ones that leave are none of these: such a run would stop half-way.
 */
import { z } from "zod";
import type { Context } from "./context.ts";
import { readResources } from "./deployment.ts";
import { InputError } from "./errors.ts";
import { hostTypes } from "./machine-nodes.ts";
import { settingOf } from "./settings.ts";
import type { StackFile } from "./settings.ts";
import { previewJson, withTrial } from "./trial.ts";

const membership = z.object({ nodeName: z.string(), role: z.string() }).partial();
const previewSchema = z.object({
  steps: z
    .array(
      z.object({
        op: z.string(),
        urn: z.string(),
        oldState: z.object({ inputs: z.unknown().optional() }).optional(),
      }),
    )
    .default([]),
});

/**
 * Asks for a preview where there are to be fewer machines than there are, and only then: it takes seconds.
 *
 * @throws InputError when no server would stay as it is.
 */
export async function requireRemainingServer(
  context: Context,
  stack: string,
  config: StackFile,
): Promise<void> {
  const resources = await readResources(context.paths, stack);
  const machines = resources.filter(({ type }) => hostTypes.includes(type)).length;
  if (machines <= countOf(config, "servers") + countOf(config, "agents")) return;
  const preview = await withTrial(context, stack, config, "stack", (trial) =>
    previewJson(context, trial, ["--show-sames"]),
  );
  const problem = noServerStays(preview);
  if (problem !== undefined) throw new InputError(`${problem}\nnothing was created or changed`);
}

/** What a preview of fewer servers is refused with; `undefined` where one of them stays. Pure. */
export function noServerStays(preview: string): string | undefined {
  const { steps } = previewSchema.parse(JSON.parse(preview.slice(preview.indexOf("{"))));
  const fates = new Map<string, "stays" | "leaves" | "is replaced">();
  for (const { op, urn, oldState } of steps) {
    if (!urn.includes("$homespan:index:Membership::") || oldState === undefined) continue;
    const { nodeName, role } = membership.safeParse(oldState.inputs).data ?? {};
    if (nodeName === undefined || role !== "server") continue;
    // A replacement has three steps, of which one is called as it is.
    const replaced = op.includes("replace") || fates.get(nodeName) === "is replaced";
    fates.set(nodeName, replaced ? "is replaced" : op === "delete" ? "leaves" : "stays");
  }
  const those = (fate: string): string =>
    [...fates].flatMap(([name, its]) => (its === fate ? [name] : [])).join(" and ");
  const [staying, leaving, replaced] = [those("stays"), those("leaves"), those("is replaced")];
  if (staying !== "" || leaving === "") return undefined;
  if (replaced === "") {
    return `\`servers\` must keep one of the servers there are, got none: ${leaving} would leave, with the cluster's data; ./homespan recreate is for that`;
  }
  return `\`servers\` must keep one server as it is while others leave, got ${leaving} to leave and ${replaced} to be replaced in one run: up with \`bundleId\`, \`blueprintId\` and \`availabilityZone\` of ${replaced} as they were, then up with the new ones`;
}

function countOf(config: StackFile, key: string): number {
  const value = settingOf(config, key);
  return Array.isArray(value) ? value.length : 0;
}
