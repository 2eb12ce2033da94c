/** The lightsail stack in its rehearsal, one cluster from nothing to nothing, steps in order: one server, then as committed and an agent. */
import { describe } from "vitest";
import { rehearsalFacts } from "../steps/rehearsal-creation.ts";
import { rehearsalExposure } from "../steps/rehearsal-exposure.ts";
import { rehearsalGrowth } from "../steps/rehearsal-growth.ts";
import { rehearsalHardening } from "../steps/rehearsal-hardening.ts";
import { rehearsalLoss } from "../steps/rehearsal-loss.ts";
import { rehearsalPaths } from "../steps/rehearsal-paths.ts";
import { rehearsalRemoval } from "../steps/rehearsal-removal.ts";
import { rehearsalRepetition } from "../steps/rehearsal-repetition.ts";
import { rehearsalRestore } from "../steps/rehearsal-restore.ts";
import { rehearsalSecrecy } from "../steps/rehearsal-secrecy.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";

const agent = ['agents=[{"bundleId":"medium_3_0","diskGiB":8}]'];

export function rehearsalSuite(): void {
  const stack = new RehearsedStack(agent);
  const before = aroundAllTests(stack);

  describe("from nothing", () => {
    rehearsalGrowth(stack, agent);
  });

  describe("a rehearsed stack", () => {
    skipUnlessUsable(stack);

    describe("looked at", () => {
      rehearsalFacts(stack);
    });
    describe("hardened", () => {
      rehearsalHardening(stack);
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
    describe("measured", () => {
      rehearsalPaths(stack);
    });
    describe("hurt", () => {
      rehearsalLoss(stack);
    });
    describe("lost as a whole", () => {
      rehearsalRestore(stack);
    });
    describe("destroyed", () => {
      rehearsalRemoval(stack, before);
    });
  });
}
