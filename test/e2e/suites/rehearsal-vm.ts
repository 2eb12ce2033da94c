/** The rehearsed lightsail stack as committed, with an agent in a virtual machine on libvirt and two on a Mac: from nothing to nothing. */
import { describe, expect, test } from "vitest";
import { rehearsalVmRemoval } from "../steps/rehearsal-vm-removal.ts";
import { rehearsalVm, vmNodes, vmSettings } from "../steps/rehearsal-vm.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";
import { rehearsedProcesses } from "../support/rehearsed-vms.ts";

/** Without KVM a first start alone takes five, and the image is built before it. */
const minutes = 55;

export function rehearsalVmSuite(): void {
  const stack = new RehearsedStack(vmSettings(), minutes);
  const before = aroundAllTests(stack);

  test("three servers in the cloud, a virtual machine on libvirt and two on a Mac come up in one apply", async () => {
    await stack.up("3 servers, 1 virtual machine on libvirt and 2 on a Mac, from nothing");
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual(vmNodes);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    skipUnlessUsable(stack);
    rehearsalVm(stack);
    test("libvirtd and the machine are processes of this machine", () => {
      expect(rehearsedProcesses(stack)).toHaveLength(2);
    });
    rehearsalVmRemoval(stack, before);
  });
}
