/** The rehearsed lightsail stack of one server, with two agents on a rehearsed Mac: from nothing to nothing, steps in order. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { homeAgents, homeSettings, rehearsalHome } from "../steps/rehearsal-home.ts";
import { rehearsalRemoval } from "../steps/rehearsal-removal.ts";
import { footprint } from "../support/footprint.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";

export function rehearsalHomeSuite(): void {
  const stack = new RehearsedStack(homeSettings());
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

  test("one server in the cloud and two agents on a Mac come up in one apply", async () => {
    await stack.up("1 server and 2 agents on a Mac, from nothing");
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual([...homeAgents, "server-1"]);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    beforeEach((context) => {
      context.skip(!stack.usable, "the stack did not come up");
    });
    rehearsalHome(stack);
    rehearsalRemoval(stack, () => before);
  });
}
