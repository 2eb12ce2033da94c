/** The lightsail stack as committed, and one agent, in its rehearsal: from nothing to nothing, steps in order. */
import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import { rehearsalCreation } from "../steps/rehearsal-creation.ts";
import { rehearsalExposure } from "../steps/rehearsal-exposure.ts";
import { rehearsalLoss } from "../steps/rehearsal-loss.ts";
import { rehearsalRemoval } from "../steps/rehearsal-removal.ts";
import { rehearsalRepetition } from "../steps/rehearsal-repetition.ts";
import { rehearsalSecrecy } from "../steps/rehearsal-secrecy.ts";
import { footprint } from "../support/footprint.ts";
import { objectsOf } from "../support/podman.ts";
import { RehearsedStack } from "../support/rehearsal.ts";

export function rehearsalSuite(): void {
  const stack = new RehearsedStack(['agents=[{"bundleId":"medium_3_0"}]']);
  let before: ReadonlySet<string> = new Set();
  let foreign = true;

  beforeAll(async () => {
    // A machine has one rehearsal of a stack: somebody else's must not be taken for ours, nor be removed.
    const there = await objectsOf(stack.world);
    if (there.length > 0) throw new Error(`another rehearsal must be destroyed first: ${there.join(", ")}`);
    foreign = false;
    before = await footprint(stack.world);
  });
  afterAll(async () => {
    await stack.cleanUp(foreign);
  });

  describe("from nothing", () => {
    rehearsalCreation(stack);
  });

  describe("a rehearsed stack", () => {
    beforeEach((context) => {
      context.skip(!stack.usable, "the stack did not come up");
    });

    describe("again", () => {
      rehearsalRepetition(stack);
    });
    describe("searched for secrets", () => {
      rehearsalSecrecy(stack);
    });
    describe("knocked at", () => {
      rehearsalExposure(stack);
    });
    describe("hurt", () => {
      rehearsalLoss(stack);
    });
    describe("destroyed", () => {
      rehearsalRemoval(stack, () => before);
    });
  });
}
