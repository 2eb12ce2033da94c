/** The rehearsed lightsail stack as committed, with an agent in a virtual machine on libvirt and two on a Mac: from nothing to nothing. */
import { describe, expect, test } from "vitest";
import { rehearsalVmRemoval } from "../steps/rehearsal-vm-removal.ts";
import { rehearsalVmRegistry } from "../steps/rehearsal-vm-registry.ts";
import { rehearsalVm, vmNodes, vmSettings } from "../steps/rehearsal-vm.ts";
import { readyNodes } from "../support/kube.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { aroundAllTests, skipUnlessUsable } from "../support/rehearsal-life.ts";
import { rehearsedProcesses } from "../support/rehearsed-vms.ts";

/** Without KVM a first start alone takes five, and the image is built before it. */
const minutes = 55;

const registryPort = 17655;

export function rehearsalVmSuite(): void {
  const registry = ["--registry", String(registryPort)];
  const stack = new RehearsedStack(vmSettings(), minutes, "lightsail", registry);
  let said = "";
  const before = aroundAllTests(stack);

  test("three servers in the cloud, a virtual machine on libvirt and two on a Mac come up in one apply", async () => {
    said = (await stack.up("3 servers, 1 virtual machine on libvirt and 2 on a Mac, from nothing")).output;
    await stack.renewKubeconfig();
    expect(await readyNodes(stack)).toEqual(vmNodes);
    stack.usable = true;
  });

  describe("a rehearsed stack", () => {
    skipUnlessUsable(stack);
    rehearsalVm(stack);
    rehearsalVmRegistry(stack, registryPort, () => said);
    test("libvirtd and the machine are processes of this machine", () => {
      expect(rehearsedProcesses(stack)).toHaveLength(2);
    });
    rehearsalVmRemoval(stack, before);
  });
}
