/** What comes before all tests of a rehearsed stack and after them. */
import { afterAll, beforeAll, beforeEach } from "vitest";
import { footprint } from "./footprint.ts";
import type { RehearsedStack } from "./rehearsal.ts";

/**
 * Refuses to begin beside somebody else's rehearsal, and takes this one away at the end.
 *
 * @returns what was on this machine before, once tests run
 */
export function aroundAllTests(stack: RehearsedStack): () => ReadonlySet<string> {
  let before: ReadonlySet<string> = new Set();
  let foreign = true;
  beforeAll(async () => {
    await stack.insistOnNoOther();
    foreign = false;
    before = await footprint(stack.world);
  });
  afterAll(async () => {
    await stack.cleanUp(foreign);
  });
  return () => before;
}

/** The tests of a group need a stack that came up. */
export function skipUnlessUsable(stack: RehearsedStack): void {
  beforeEach((context) => {
    context.skip(!stack.usable, "the stack did not come up");
  });
}
