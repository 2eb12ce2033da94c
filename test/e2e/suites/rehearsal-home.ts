/** The rehearsed lightsail stack of one server, with two agents on a rehearsed Mac: from nothing to nothing, steps in order. */
import { describe, expect, test } from "vitest";
import { homeAgents, homeSettings, rehearsalHome } from "../steps/rehearsal-home.ts";
import { rehearsalJoining } from "../steps/rehearsal-joining.ts";
import { rehearsalRemoval } from "../steps/rehearsal-removal.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";

export function rehearsalHomeSuite(): void {
  const stack = new RehearsedStack(homeSettings());
  const before = aroundAllTests(stack);

  test("one server in the cloud and two agents on a Mac come up in one apply", async () => {
    await stack.up("1 server and 2 agents on a Mac, from nothing");
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual([...homeAgents, "server-1"]);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    skipUnlessUsable(stack);
    rehearsalHome(stack);
    rehearsalJoining(stack, [...homeAgents, "server-1"]);
    rehearsalRemoval(stack, before);
  });
}
