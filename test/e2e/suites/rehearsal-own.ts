/** A rehearsed homelab cluster of its own, its server in a virtual machine: from nothing to nothing. */
import { describe, expect, test } from "vitest";
import { killedOnTheWay, ownNodes, ownSettings, rehearsalOwn } from "../steps/rehearsal-own.ts";
import { rehearsalRemoval } from "../steps/rehearsal-removal.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";
import { machineProcesses, rehearsedProcesses } from "../support/rehearsed-vms.ts";
import { eventually } from "../support/wait.ts";

/** Without KVM. */
const minutes = 55;

export function rehearsalOwnSuite(): void {
  const stack = new RehearsedStack(ownSettings(), minutes, "homelab");
  const before = aroundAllTests(stack);

  test("a server and an agent in virtual machines come up without a cloud, although two runs on the way are killed", async () => {
    await killedOnTheWay(stack);
    const begun = machineProcesses(stack);
    expect(begun).toHaveLength(ownNodes.length);
    const { output } = await stack.up("a server and an agent in virtual machines, after two kills");
    const open = /\d+ operations of a killed run/.exec(output)?.[0] ?? "no operations of a killed run";
    process.stdout.write(`             ${open} were open\n`);
    // They were gone on with, not made again.
    expect(machineProcesses(stack)).toEqual(begun);
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual(ownNodes);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    skipUnlessUsable(stack);
    rehearsalOwn(stack);
    rehearsalRemoval(stack, before);
    test("neither runs any more", async () => {
      await eventually("libvirtd and its machines have ended", 30, async () => {
        expect(rehearsedProcesses(stack, ownNodes)).toEqual([]);
      });
    });
  });
}
