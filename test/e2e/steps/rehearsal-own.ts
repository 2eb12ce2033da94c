/** A rehearsed homelab cluster of its own: a server and an agent, both in virtual machines on libvirt, and no cloud. */
import { expect, test } from "vitest";
import { nodeOf, readyNodes } from "../support/kube.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import {
  inLibvirt,
  inside,
  isReadyAgain,
  objectionsTo,
  podsTalk,
  runningMachines,
  systemDisks,
} from "../support/rehearsed-vms.ts";
import { note } from "../support/report.ts";
import { pause } from "../support/wait.ts";

export const ownNodes = ["server-1", "vm-1"];

/** Until there is something to kill: the image of the machines may have to be given first. */
const killSeconds = 1800;

/** On one processor without KVM a lease that is to be renewed within ten seconds is lost now and then, and k3s ends with it. */
const patientLeases = [
  "leader-elect-lease-duration=120s",
  "leader-elect-renew-deadline=100s",
  "leader-elect-retry-period=15s",
];

/**
 * Over the committed Pulumi.homelab.yaml.
 *
 * @param options.alone - the server has no agent yet
 */
export function ownSettings({ serverDiskGiB = 10, alone = false } = {}): string[] {
  const server = {
    ...{ host: "nas", vcpus: 2, memoryMiB: 2560, dataDiskGiB: 10, systemDiskGiB: serverDiskGiB },
    address: "192.168.1.41",
  };
  // Without KVM, on two processors, the server needs one of them for itself.
  const agent = {
    ...{ host: "nas", vcpus: 1, memoryMiB: 1536, dataDiskGiB: 8, systemDiskGiB: 10 },
    address: "192.168.1.51",
  };
  const network = { kind: "bridge", name: "br0" };
  const set: Readonly<Record<string, unknown>> = {
    ...{ join: null, mac: null, tailnet: { kind: "tailscale", domain: "tail0a1b2c.ts.net" } },
    libvirtHosts: { nas: { uri: "qemu+ssh://homespan@nas.local/system", site: "home", network } },
    flatcar: { version: "4230.2.3", sha256: "0123456789abcdef".repeat(4) },
    // Two virtual machines on two processors without KVM have enough to do.
    disable: ["traefik", "servicelb", "metrics-server", "local-storage"],
    extraConfig: {
      server: {
        "kube-controller-manager-arg": patientLeases,
        "kube-scheduler-arg": patientLeases,
        "kube-cloud-controller-manager-arg": patientLeases,
      },
    },
    servers: [{ name: "server-1", vm: server }],
    agents: alone ? [] : [{ name: "vm-1", vm: agent }],
  };
  return Object.entries(set).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
}

/** Killed at two moments at which libvirt has what no state holds, or no more than its beginning. */
export async function killedOnTheWay(stack: RehearsedStack): Promise<void> {
  // Before libvirt answers there is nothing.
  const image = await stack.killedUp(() =>
    seen(async () => (await inLibvirt(stack).catch(none)).volumes.some((name) => /-base-/.test(name))),
  );
  expect(image.ending, image.output).toBe("SIGKILL");
  const machine = await stack.killedUp(() =>
    seen(async () => (await runningMachines(stack).catch(() => [])).length > 0),
  );
  expect(machine.ending, machine.output).toBe("SIGKILL");
}

function none(): { domains: string[]; volumes: string[] } {
  return { domains: [], volumes: [] };
}

/** As soon as it can be seen. */
async function seen(what: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + killSeconds * 1000;
  while (!(await what())) {
    if (performance.now() > end) throw new Error(`not seen within ${killSeconds} s`);
    await pause(0.1);
  }
}

export function rehearsalOwn(stack: RehearsedStack): void {
  test("both are virtual machines that libvirt has, of nothing but what the policy allows", async () => {
    expect((await inLibvirt(stack)).domains.sort()).toEqual(ownNodes.map((node) => stack.instance(node)));
    for (const node of ownNodes) expect(await objectionsTo(stack, node)).toEqual([]);
    await stack.up("nothing to change");
    await stack.pulumi(["preview", "--expect-no-changes"]);
  });

  test("pods of both talk", async () => {
    await podsTalk(stack, [
      ["server-1", "vm-1"],
      ["vm-1", "server-1"],
    ]);
  });

  test("the server made anew is the same cluster, with its data and one device", async () => {
    const cluster = await uidOfCluster(stack);
    const before = await nodeOf(stack, "server-1");
    const disks = await systemDisks(stack);
    await inside(stack, "server-1", "echo kept >/data/kept && sync");
    const made = await stack.up("the server made anew", ownSettings({ serverDiskGiB: 11 }));
    note("own: the server made anew", made.seconds);
    const after = await isReadyAgain(stack, "server-1", "made anew", before.status.nodeInfo.bootID);
    expect(await uidOfCluster(stack)).toBe(cluster);
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.status.addresses).toEqual(before.status.addresses);
    expect(await systemDisks(stack)).not.toEqual(disks);
    expect(await inside(stack, "server-1", "cat /data/kept")).toBe("kept");
    expect(await stack.deviceNames()).toEqual(
      expect.arrayContaining(ownNodes.map((node) => stack.instance(node))),
    );
    expect((await stack.deviceNames()).filter((name) => name.includes("server-1"))).toHaveLength(1);
    await isReadyAgain(stack, "vm-1", "after its server came back");
    expect(await readyNodes(stack)).toEqual(ownNodes);
  });
}

/** Nobody makes this namespace anew but a new cluster. */
async function uidOfCluster(stack: RehearsedStack): Promise<string> {
  return stack.kubectl(["get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}"]);
}
