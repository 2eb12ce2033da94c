/** A rehearsed stack with virtual machines is destroyed: what libvirt had on this machine goes with it. */
import { expect, test } from "vitest";
import { footprint } from "../support/footprint.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { rehearsedProcesses } from "../support/rehearsed-vms.ts";
import { eventually } from "../support/wait.ts";
import { rehearsalRemoval } from "./rehearsal-removal.ts";

export function rehearsalVmRemoval(stack: RehearsedStack, before: () => ReadonlySet<string>): void {
  rehearsalRemoval(stack, before);

  test("libvirtd and its machines run no more, and the firewall has none of its chains", async () => {
    await eventually("libvirtd and its machines have ended", 30, async () => {
      expect(rehearsedProcesses(stack)).toEqual([]);
    });
    const rules = [...(await footprint(stack.world))].filter((line) => /^rule .*LIBVIRT_/.test(line));
    expect(rules.filter((rule) => !before().has(rule))).toEqual([]);
  });
}
