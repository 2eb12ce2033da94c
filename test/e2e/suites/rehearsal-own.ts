/** A rehearsed homelab cluster of its own, its server in a virtual machine: from nothing to nothing. */
import { describe, expect, test } from "vitest";
import { killedOnTheWay, ownNodes, ownSettings, rehearsalOwn } from "../steps/rehearsal-own.ts";
import { rehearsalVmRemoval } from "../steps/rehearsal-vm-removal.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";
import { machineProcesses } from "../support/rehearsed-vms.ts";

/** Without KVM. */
const minutes = 55;

export function rehearsalOwnSuite(): void {
  const stack = new RehearsedStack(ownSettings({ alone: true }), minutes, "homelab");
  const before = aroundAllTests(stack);

  test("a server in a virtual machine comes up without a cloud, although two runs on the way are killed", async () => {
    await killedOnTheWay(stack);
    const begun = machineProcesses(stack);
    expect(begun).toHaveLength(1);
    const { output } = await stack.up("a server in a virtual machine, after two kills");
    const open = /\d+ operations? of a killed run/.exec(output)?.[0] ?? "no operation of a killed run";
    process.stdout.write(`             ${open} open\n`);
    // It was gone on with, not made again.
    expect(machineProcesses(stack)).toEqual(begun);
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual(["server-1"]);
  });

  test("an agent in another one joins it", async ({ skip }) => {
    skip(machineProcesses(stack).length === 0, "the server did not come up");
    await stack.up("an agent in another virtual machine", ownSettings());
    expect(await readyNodes(stack)).toEqual(ownNodes);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    skipUnlessUsable(stack);
    rehearsalOwn(stack);
    rehearsalVmRemoval(stack, before);
  });
}
