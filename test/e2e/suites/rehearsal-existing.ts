/** The rehearsed lightsail stack of one server, and a machine that no cloud made: from nothing to nothing, steps in order. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rehearsalExisting } from "../steps/rehearsal-existing.ts";
import { rehearsalRemoval } from "../steps/rehearsal-removal.ts";
import { footprint } from "../support/footprint.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";

const settings = ['servers=[{"bundleId":"medium_3_0"}]', "agents=[]"];

export function rehearsalExistingSuite(): void {
  const stack = new RehearsedStack(settings);
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

  test("one server comes up", async () => {
    await stack.up("1 server, from nothing");
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual(["server-1"]);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    beforeEach((context) => {
      context.skip(!stack.usable, "the stack did not come up");
    });
    rehearsalExisting(stack, settings);
    rehearsalRemoval(stack, () => before);
  });
}
