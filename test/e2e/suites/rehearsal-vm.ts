/** The rehearsed lightsail stack of one server, with an agent in a virtual machine on libvirt and one on a Mac: from nothing to nothing. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rehearsalRemoval } from "../steps/rehearsal-removal.ts";
import { rehearsalVm, rehearsedProcesses, vmNodes, vmSettings } from "../steps/rehearsal-vm.ts";
import { footprint } from "../support/footprint.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { eventually } from "../support/wait.ts";

/** Without KVM a first start alone takes five, and the image is built before it. */
const minutes = 55;

export function rehearsalVmSuite(): void {
  const stack = new RehearsedStack(vmSettings(), minutes);
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

  test("a server in the cloud, a virtual machine on libvirt and one on a Mac come up in one apply", async () => {
    await stack.up("1 server, 1 virtual machine on libvirt and 1 on a Mac, from nothing");
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual(vmNodes);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    beforeEach((context) => {
      context.skip(!stack.usable, "the stack did not come up");
    });
    rehearsalVm(stack);
    test("libvirtd and the machine are processes of this machine", () => {
      expect(rehearsedProcesses(stack)).toHaveLength(2);
    });
    rehearsalRemoval(stack, () => before);
    test("neither runs any more", async () => {
      await eventually("libvirtd and its machine have ended", 30, async () => {
        expect(rehearsedProcesses(stack)).toEqual([]);
      });
    });
  });
}
