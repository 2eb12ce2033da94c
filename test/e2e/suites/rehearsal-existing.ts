/** The rehearsed lightsail stack of one server, and a machine that no cloud made: from nothing to nothing, steps in order. */
import { describe, expect, test } from "vitest";
import { rehearsalExisting } from "../steps/rehearsal-existing.ts";
import { rehearsalRemoval } from "../steps/rehearsal-removal.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";

const settings = ['servers=[{"bundleId":"medium_3_0"}]', "agents=[]"];

export function rehearsalExistingSuite(): void {
  const stack = new RehearsedStack(settings);
  const before = aroundAllTests(stack);

  test("one server comes up", async () => {
    await stack.up("1 server, from nothing");
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual(["server-1"]);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    skipUnlessUsable(stack);
    rehearsalExisting(stack, settings);
    rehearsalRemoval(stack, before);
  });
}
