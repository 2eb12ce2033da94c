/** Each server is lost in turn while clients write and read, and comes back under its name, once. */
import { expect, test } from "vitest";
import { parse } from "yaml";
import { openAccount } from "../../../rehearsal/clouds/aws/account.ts";
import { deleteInstance } from "../../../rehearsal/clouds/aws/service/instances.ts";
import { PodmanMachines } from "../../../rehearsal/machines/podman-machines.ts";
import { nodesOf } from "../support/kube.ts";
import { everyPasswordKept } from "../support/node-passwords.ts";
import { podman } from "../support/podman.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { type Experience, RehearsalPulse } from "../support/rehearsal-pulse.ts";
import { note } from "../support/report.ts";
import { pause } from "../support/wait.ts";
import { everyNodeOnce, rehearsedNodes, rehearsedServers } from "./rehearsal-creation.ts";
import { keptText } from "./rehearsal-growth.ts";
import { KeptNode } from "./rehearsal-replacement.ts";

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { readonly server: string } }[];
}

/** The server whose loss hurts the most: the one that the kubeconfig names. */
async function namedServer(stack: RehearsedStack): Promise<string> {
  const { clusters } = parse(await stack.renewKubeconfig()) as Kubeconfig;
  const [host = ""] = new URL(clusters[0]?.cluster.server ?? "").hostname.split(".");
  return host.slice(stack.instance("").length);
}

/** As in the console of AWS: without a word to Pulumi. */
export async function deleteInConsole(stack: RehearsedStack, node: string): Promise<void> {
  const account = openAccount(stack.folder, new PodmanMachines(stack.folder));
  await deleteInstance(account, "eu-central-1", stack.instance(node));
}

function report(when: string, lost: string, { through, longestGapSeconds }: Experience): void {
  note(`longest time without a write and read through any server, ${when}`, longestGapSeconds);
  for (const [server, { tried, failed }] of Object.entries(through)) {
    const which = server === lost ? "the lost server" : server;
    process.stdout.write(`             through ${which}: ${failed} of ${tried} failed, ${when}\n`);
  }
}

/** Loses a server under load, gets it back, and looks whether all else stayed what it was. */
async function loseAndRegain(
  stack: RehearsedStack,
  lost: string,
  regain: () => Promise<unknown>,
): Promise<void> {
  const survivors = rehearsedServers.filter((server) => server !== lost);
  const uids = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await nodesOf(stack)).map(({ metadata }) => [metadata.name, metadata.uid]));
  const before = {
    uids: await uids(),
    address: await stack.publicAddress(lost),
    books: await stack.books(),
  };

  const pulse = await RehearsalPulse.start(stack, rehearsedServers);
  try {
    await pause(4);
    const steady = pulse.experience(0);
    for (const server of rehearsedServers) {
      const { tried, failed } = steady.through[server] ?? { tried: 0, failed: 0 };
      expect(tried - failed).toBeGreaterThanOrEqual(2);
    }

    await podman(["kill", stack.machine(lost)]);
    const killed = performance.now();
    await pause(15);
    const alone = pulse.experience(killed);
    report(`with ${lost} lost`, lost, alone);
    expect(alone.through[lost]?.tried).toBeGreaterThanOrEqual(3);
    expect(alone.through[lost]?.failed).toBe(alone.through[lost]?.tried);
    expect(alone.longestGapSeconds).toBeLessThan(12);
    for (const server of survivors) {
      const { tried, failed } = alone.through[server] ?? { tried: 0, failed: 0 };
      expect(tried - failed).toBeGreaterThanOrEqual(3);
    }

    await deleteInConsole(stack, lost);
    const again = performance.now();
    await regain();
    const whole = pulse.experience(again);
    report(`while ${lost} was made again`, lost, whole);
    expect(whole.longestGapSeconds).toBeLessThan(20);
  } finally {
    await pulse.stop();
  }

  await stack.renewKubeconfig();
  await everyNodeOnce(stack);
  const after = await uids();
  expect(after[lost]).not.toBe(before.uids[lost]);
  for (const node of rehearsedNodes) if (node !== lost) expect(after[node]).toBe(before.uids[node]);
  expect(await stack.publicAddress(lost)).toBe(before.address);
  const { instances } = await stack.books();
  const arn = (books: typeof before.books, node: string): string | undefined =>
    books.instances[stack.instance(node)]?.arn;
  expect(instances[stack.instance(lost)]?.arn).not.toBe(arn(before.books, lost));
  for (const server of survivors) {
    expect(instances[stack.instance(server)]?.arn).toBe(arn(before.books, server));
  }
  await everyPasswordKept(stack, rehearsedNodes);
  expect(await keptText(stack)).toBe("by one server");
}

export function rehearsalLoss(stack: RehearsedStack): void {
  const lost: string[] = [];
  /** The one that the kubeconfig names, where it was not lost before. */
  const loseNext = async (
    regain = () => stack.up("after an instance was deleted in the console"),
  ): Promise<void> => {
    const candidates = [await namedServer(stack), ...rehearsedServers];
    const next = candidates.find((server) => !lost.includes(server)) ?? "";
    lost.push(next);
    await loseAndRegain(stack, next, regain);
  };

  test("the API serves on when a server is lost, and the server comes back under its name", async () => {
    await loseNext();
  });

  test("so it is with the second", async () => {
    await loseNext();
  });

  test("and the third, while the agent gets another instance and, with its disk, is the same node", async () => {
    const agent = await KeptNode.remember(stack, "agent-1");
    await loseNext(() => stack.recreateNode("agent-1"));
    await agent.isBack();
  });
}
