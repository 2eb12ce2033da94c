/** A server is lost while clients write and read; it comes back under its name, once. */
import { expect, test } from "vitest";
import { parse } from "yaml";
import { openAccount } from "../../../rehearsal/clouds/aws/account.ts";
import { deleteInstance } from "../../../rehearsal/clouds/aws/service/instances.ts";
import { PodmanMachines } from "../../../rehearsal/machines/podman-machines.ts";
import { nodePasswords, nodesOf } from "../support/kube.ts";
import { podman } from "../support/podman.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { type Experience, RehearsalPulse } from "../support/rehearsal-pulse.ts";
import { note } from "../support/report.ts";
import { pause } from "../support/wait.ts";
import { everyNodeOnce, rehearsedNodes, rehearsedServers } from "./rehearsal-creation.ts";

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

export function rehearsalLoss(stack: RehearsedStack): void {
  test("the API serves on when a server is lost, and the server comes back under its name", async () => {
    const lost = await namedServer(stack);
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
      await pause(5);
      const steady = pulse.experience(0);
      for (const server of rehearsedServers) {
        const { tried, failed } = steady.through[server] ?? { tried: 0, failed: 0 };
        expect(tried - failed).toBeGreaterThanOrEqual(3);
      }

      await podman(["kill", stack.machine(lost)]);
      const killed = performance.now();
      await pause(25);
      const alone = pulse.experience(killed);
      report("with a server lost", lost, alone);
      expect(alone.through[lost]?.tried).toBeGreaterThan(3);
      expect(alone.through[lost]?.failed).toBe(alone.through[lost]?.tried);
      expect(alone.longestGapSeconds).toBeLessThan(15);
      for (const server of survivors) {
        const { tried, failed } = alone.through[server] ?? { tried: 0, failed: 0 };
        expect(tried - failed).toBeGreaterThan(5);
      }

      await deleteInConsole(stack, lost);
      const again = performance.now();
      await stack.up("after an instance was deleted in the console");
      const whole = pulse.experience(again);
      report("while it was made again", lost, whole);
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
    expect((await nodePasswords(stack)).sort()).toEqual(
      rehearsedNodes.map((node) => `secret/${node}.node-password.k3s`),
    );
  });
}
