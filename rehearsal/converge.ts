/** The provider's resources outside of Pulumi: what a rehearsal runs that a cluster runs, too. */
import type { Resource } from "../provider/server/resource.ts";
import type { Properties } from "../provider/server/values.ts";

/**
 * Read, then made or updated where it is not as wanted: what the engine does with a resource.
 *
 * @param known - its state of the last time, if there was one
 * @returns its state
 */
export async function converge(
  resource: Resource,
  known: Properties | undefined,
  raw: Properties,
  signal: AbortSignal,
): Promise<Properties> {
  const context = { signal, timeoutSeconds: 0 };
  const { inputs, problems } = resource.check(raw);
  if (problems.length > 0) throw new Error(problems.join("; "));
  const state = known === undefined ? undefined : await resource.read("", known, context);
  if (state === undefined) return (await resource.create(inputs, context)).outputs;
  const changes = resource.diff(state, inputs);
  if (changes.length === 0) return state;
  if (changes.some(({ replace }) => replace)) {
    await resource.delete("", state, context);
    return (await resource.create(inputs, context)).outputs;
  }
  return resource.update(state, inputs, context);
}
