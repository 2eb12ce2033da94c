/** Nodes in virtual machines of a rehearsed libvirt, asked the way their owner does. */
import { join } from "node:path";
import { expect } from "vitest";
import { domainObjections } from "../../../components/render/domain-policy.ts";
import { libvirtFiles } from "../../../rehearsal/libvirt/names.ts";
import { PrivateLibvirtd } from "../../../rehearsal/libvirt/private-libvirtd.ts";
import { type KubeNode, holds, nodeOf, podsOf } from "./kube.ts";
import { processes } from "./processes.ts";
import type { RehearsedStack } from "./rehearsal.ts";
import { eventually } from "./wait.ts";

/** A first start, without KVM. */
const startSeconds = 1500;
const smoke = "homespan-smoke";

function libvirt(stack: RehearsedStack): PrivateLibvirtd {
  return new PrivateLibvirtd(libvirtFiles(stack.folder).daemon);
}

/** The names of what libvirt has of the stack. */
export async function inLibvirt(stack: RehearsedStack): Promise<{ domains: string[]; volumes: string[] }> {
  const libvirtd = libvirt(stack);
  return { domains: await libvirtd.domains(), volumes: await libvirtd.volumes("default") };
}

/** Names of the virtual machines that run. */
export async function runningMachines(stack: RehearsedStack): Promise<string[]> {
  const names = await libvirt(stack).virsh("list", "--name", "--state-running");
  return names.split("\n").filter((name) => name !== "");
}

/** Ids of the processes that nodes' virtual machines are. */
export function machineProcesses(stack: RehearsedStack): number[] {
  return running(`guest=${stack.instance("")}`)
    .map(({ pid }) => pid)
    .sort((one, other) => one - other);
}

/** Command lines of libvirtd and of the virtual machines, one each. Asked before the rehearsal ends, which takes them along. */
export function rehearsedProcesses(stack: RehearsedStack): string[] {
  const pidFile = join(libvirtFiles(stack.folder).daemon, "libvirtd.pid");
  return running(`guest=${stack.instance("")}`, pidFile).map(({ command }) => command);
}

function running(...marks: readonly string[]): ReturnType<typeof processes> {
  return processes().filter(({ command }) => marks.some((mark) => command.includes(mark)));
}

/** Those of its volumes from which machines start: each system has one of its own. */
export async function systemDisks(stack: RehearsedStack): Promise<string[]> {
  return (await inLibvirt(stack)).volumes.filter((name) => /-system-/.test(name));
}

/** What the policy for domains has against a node's live one. */
export async function objectionsTo(stack: RehearsedStack, node: string): Promise<string[]> {
  return domainObjections(await libvirt(stack).virsh("dumpxml", stack.instance(node)));
}

/** Runs it in a node's virtual machine, as root. */
export async function inside(stack: RehearsedStack, node: string, command: string): Promise<string> {
  const args = ["ssh", "--stack", stack.name, node, "--", "sh", "-c", command];
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

/** Smoke pods of these nodes reach each other, in the order given. */
export async function podsTalk(
  stack: RehearsedStack,
  pairs: readonly (readonly [from: string, to: string])[],
): Promise<void> {
  for (const [from, to] of pairs) {
    await eventually(`a pod on ${from} is answered by one on ${to}`, 300, async () => {
      expect(await asks(stack, from, to)).toBe(to);
    });
  }
}

/** @param formerBoot of the start before, whose Ready nobody took back while the API server was away */
export async function isReadyAgain(
  stack: RehearsedStack,
  node: string,
  step: string,
  formerBoot = "",
): Promise<KubeNode> {
  return eventually(`${node} is Ready, ${step}`, startSeconds, async () => {
    const found = await nodeOf(stack, node);
    expect(holds(found, "Ready")).toBe(true);
    expect(found.status.nodeInfo.bootID).not.toBe(formerBoot);
    return found;
  });
}
