/** Three servers in the rehearsed cloud, an agent in a virtual machine on a rehearsed libvirt and two on a rehearsed Mac: one cluster. */
import { expect, test } from "vitest";
import { nodeOf, readyNodes } from "../support/kube.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { expectDirectAtHome } from "../support/rehearsed-paths.ts";
import {
  inLibvirt,
  inside,
  isReadyAgain,
  objectionsTo,
  podsTalk,
  systemDisks,
} from "../support/rehearsed-vms.ts";
import { note } from "../support/report.ts";

const machine = "vm-1";
const homeNodes = ["agent-1", "agent-2", machine];
const servers = ["server-1", "server-2", "server-3"];
export const vmNodes = ["agent-1", "agent-2", ...servers, machine];

/** Beside the servers as committed in Pulumi.lightsail.yaml, agents as in Pulumi.homelab.yaml, on a smaller scale. */
export function vmSettings(systemDiskGiB = 10): string[] {
  const bridge = { kind: "bridge", name: "br0" };
  const nas = { uri: "qemu+ssh://homespan@nas.local/system", site: "home", network: bridge };
  const vm = {
    ...{ host: "nas", vcpus: 2, memoryMiB: 1536, dataDiskGiB: 8, systemDiskGiB },
    address: "192.168.1.51",
  };
  return [
    `libvirtHosts=${JSON.stringify({ nas })}`,
    `flatcar=${JSON.stringify({ version: "4230.2.3", sha256: "0123456789abcdef".repeat(4) })}`,
    `mac=${JSON.stringify({ address: "imac.local", user: "admin", site: "home", blueprint: { dataDiskGiB: 8 } })}`,
    `agents=${JSON.stringify([
      { name: machine, vm },
      { name: "agent-1", lima: {} },
      { name: "agent-2", lima: {} },
    ])}`,
  ];
}

export function rehearsalVm(stack: RehearsedStack): void {
  test("the virtual machine is a node of the cluster, as libvirt and Kubernetes see it", async () => {
    expect(await readyNodes(stack)).toEqual(vmNodes);
    expect((await nodeOf(stack, machine)).metadata.labels).toMatchObject({
      "homespan.dev/site": "home",
      "node-type": "flatcar",
    });
    expect((await inLibvirt(stack)).domains).toEqual([stack.instance(machine)]);
    expect(await objectionsTo(stack, machine)).toEqual([]);
    // The provider writes down what it learned after the machine's start, its own version too.
    await stack.up("nothing to change");
    await stack.pulumi(["preview", "--expect-no-changes"]);
  });

  test("pods in the virtual machine, on the Mac and on servers in the cloud talk", async () => {
    await podsTalk(stack, [
      [machine, "server-1"],
      ["server-1", machine],
      [machine, "agent-1"],
      ["agent-2", "server-3"],
    ]);
  });

  test("paths shows all pairs at home direct", async () => {
    await expectDirectAtHome(stack, homeNodes, 300);
  });

  test("made anew it is the same node, with its data and one device", async () => {
    const before = await nodeOf(stack, machine);
    const disks = await systemDisks(stack);
    await inside(stack, machine, "echo kept >/data/kept && sync");
    const made = await stack.up("the virtual machine made anew", vmSettings(11));
    note("vm: made anew", made.seconds);
    const after = await isReadyAgain(stack, machine, "made anew", before.status.nodeInfo.bootID);
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.status.addresses).toEqual(before.status.addresses);
    expect(await systemDisks(stack)).not.toEqual(disks);
    expect(await inside(stack, machine, "cat /data/kept")).toBe("kept");
    const devices = (await stack.deviceNames()).filter((name) => name.startsWith(stack.instance(machine)));
    expect(devices).toEqual([stack.instance(machine)]);
    expect(await readyNodes(stack)).toEqual(vmNodes);
  });

  test("one that was switched off by hand is the same node after the next up", async () => {
    const before = await nodeOf(stack, machine);
    await stack.rehearse("fault", ["stop", machine]);
    const { stdout } = await stack.rehearse("fault");
    expect(stdout).toMatch(new RegExp(`^${machine} +stopped$`, "m"));
    const healed = await stack.up("the virtual machine switched off by hand");
    note("vm: healed", healed.seconds);
    const after = await isReadyAgain(stack, machine, "switched off by hand", before.status.nodeInfo.bootID);
    expect(after.metadata.uid).toBe(before.metadata.uid);
  });
}
