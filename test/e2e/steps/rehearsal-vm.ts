/** An agent in a virtual machine on a rehearsed libvirt, one on a rehearsed Mac and a server in the rehearsed cloud: one cluster. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { domainObjections } from "../../../components/render/domain-policy.ts";
import { libvirtFiles } from "../../../rehearsal/libvirt/names.ts";
import { PrivateLibvirtd } from "../../../rehearsal/libvirt/private-libvirtd.ts";
import { holds, nodeOf, podsOf, readyNodes } from "../support/kube.ts";
import { processes } from "../support/processes.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { note } from "../support/report.ts";
import { eventually } from "../support/wait.ts";
import { pathsReport } from "./rehearsal-home.ts";

/** Without KVM. */
const startSeconds = 1500;
const machine = "vm-1";
export const vmNodes = ["agent-1", "server-1", machine];
const smoke = "homespan-smoke";

/** As committed in Pulumi.homelab.yaml, on a smaller scale and beside one server. */
export function vmSettings(systemDiskGiB = 10): string[] {
  const bridge = { kind: "bridge", name: "br0" };
  const nas = { uri: "qemu+ssh://homespan@nas.local/system", site: "home", network: bridge };
  const vm = {
    ...{ host: "nas", vcpus: 2, memoryMiB: 1536, dataDiskGiB: 8, systemDiskGiB },
    address: "192.168.1.51",
  };
  return [
    'servers=[{"bundleId":"medium_3_0"}]',
    `libvirtHosts=${JSON.stringify({ nas })}`,
    `flatcar=${JSON.stringify({ version: "4230.2.3", sha256: "0123456789abcdef".repeat(4) })}`,
    `mac=${JSON.stringify({ address: "imac.local", user: "admin", site: "home", blueprint: { dataDiskGiB: 8 } })}`,
    `agents=${JSON.stringify([
      { name: machine, vm },
      { name: "agent-1", lima: {} },
    ])}`,
  ];
}

/** The names in libvirt of what the node has there. */
async function inLibvirt(stack: RehearsedStack): Promise<{ domains: string[]; volumes: string[] }> {
  const libvirtd = libvirt(stack);
  return { domains: await libvirtd.domains(), volumes: await libvirtd.volumes("default") };
}

function libvirt(stack: RehearsedStack): PrivateLibvirtd {
  return new PrivateLibvirtd(libvirtFiles(stack.folder).daemon);
}

/** Runs it in the virtual machine, as root. */
async function inside(stack: RehearsedStack, command: string): Promise<string> {
  const args = ["ssh", "--stack", stack.name, machine, "--", "sh", "-c", command];
  return (await stack.homespan(args, { timeoutSeconds: 300 })).stdout.trim();
}

/** What the smoke pod of one node is answered by that of another. */
async function asks(stack: RehearsedStack, from: string, to: string): Promise<string> {
  const pods = await podsOf(stack, smoke);
  const on = (node: string) =>
    pods.find(({ spec, ...pod }) => spec.nodeName === node && holds({ spec, ...pod }, "Ready"));
  const [asking, asked] = [on(from), on(to)];
  const url = `http://${asked?.status.podIP ?? "nobody"}:8080/`;
  // Not with a time of wget's own: Debian's busybox crashes of it.
  const command = ["timeout", "10", "wget", "-q", "-O", "-", url];
  return (
    await stack.kubectl(["exec", "--namespace", smoke, asking?.metadata.name ?? "nobody", "--", ...command])
  ).trim();
}

async function ready(stack: RehearsedStack, step: string): Promise<void> {
  await eventually(`${machine} is Ready, ${step}`, startSeconds, async () => {
    expect(holds(await nodeOf(stack, machine), "Ready")).toBe(true);
  });
}

export function rehearsalVm(stack: RehearsedStack): void {
  test("the virtual machine is a node of the cluster, as libvirt and Kubernetes see it", async () => {
    expect(await readyNodes(stack)).toEqual(vmNodes);
    expect((await nodeOf(stack, machine)).metadata.labels).toMatchObject({
      "homespan.dev/site": "home",
      "node-type": "flatcar",
    });
    const name = stack.instance(machine);
    expect((await inLibvirt(stack)).domains).toEqual([name]);
    expect(domainObjections(await libvirt(stack).virsh("dumpxml", name))).toEqual([]);
    // The provider writes down what it learned after the machine's start, its own version too.
    await stack.up("nothing to change");
    await stack.pulumi(["preview", "--expect-no-changes"]);
  });

  test("a pod in the virtual machine and one on a server in the cloud talk, both ways", async () => {
    for (const [from, to] of [
      [machine, "server-1"],
      ["server-1", machine],
      [machine, "agent-1"],
    ] as const) {
      await eventually(`a pod on ${from} is answered by one on ${to}`, 300, async () => {
        expect(await asks(stack, from, to)).toBe(to);
      });
    }
  });

  test("paths shows the home pair direct", async () => {
    const { stdout } = await stack.homespan(["paths", stack.name, "--json"], { timeoutSeconds: 300 });
    const { paths } = pathsReport.parse(JSON.parse(stdout));
    const home = paths.filter(({ from, to }) => from !== "server-1" && to !== "server-1");
    expect(home.map(({ sameSite, path }) => [sameSite, path])).toEqual([
      [true, "direct"],
      [true, "direct"],
    ]);
    for (const { from, to, path, roundTripMilliseconds } of paths) {
      process.stdout.write(`             ${from} to ${to}: ${path}, ${roundTripMilliseconds} ms\n`);
    }
  });

  test("made anew it is the same node, with its data and one device", async () => {
    const before = await nodeOf(stack, machine);
    const volumes = (await inLibvirt(stack)).volumes.filter((name) => /-system-/.test(name));
    await inside(stack, "echo kept >/data/kept && sync");
    const made = await stack.up("the virtual machine made anew", vmSettings(11));
    note("vm: made anew", made.seconds);
    await ready(stack, "made anew");
    const after = await nodeOf(stack, machine);
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.status.addresses).toEqual(before.status.addresses);
    expect(after.status.nodeInfo.bootID).not.toBe(before.status.nodeInfo.bootID);
    expect((await inLibvirt(stack)).volumes).not.toContain(volumes[0]);
    expect(await inside(stack, "cat /data/kept")).toBe("kept");
    const devices = (await stack.deviceNames()).filter((name) => name.startsWith(stack.instance(machine)));
    expect(devices).toEqual([stack.instance(machine)]);
    expect(await readyNodes(stack)).toEqual(vmNodes);
  });

  test("one that was switched off by hand is the same node after the next up", async () => {
    const { uid } = (await nodeOf(stack, machine)).metadata;
    await stack.rehearse("fault", ["stop", machine]);
    const { stdout } = await stack.rehearse("fault");
    expect(stdout).toMatch(new RegExp(`^${machine} +stopped$`, "m"));
    const healed = await stack.up("the virtual machine switched off by hand");
    note("vm: healed", healed.seconds);
    await ready(stack, "switched off by hand");
    expect((await nodeOf(stack, machine)).metadata.uid).toBe(uid);
  });
}

/** Before the rehearsal ends, which takes it along: what runs of it on this machine. */
export function rehearsedProcesses(stack: RehearsedStack): string[] {
  const marks = [
    `guest=${stack.instance(machine)},`,
    join(libvirtFiles(stack.folder).daemon, "libvirtd.pid"),
  ];
  return processes()
    .map(({ command }) => command)
    .filter((command) => marks.some((mark) => command.includes(mark)));
}
