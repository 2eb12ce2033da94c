/** From the committed file and nothing else to a cluster whose every fact is as configured. */
import { expect, test } from "vitest";
import { cloudNames } from "../../../components/render/names.ts";
import { nodesOf, readyNodes } from "../support/kube.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { rehearsedVoters } from "../support/rehearsal-etcd.ts";
import { eventually } from "../support/wait.ts";

export const rehearsedServers = ["server-1", "server-2", "server-3"];
export const rehearsedNodes = ["agent-1", ...rehearsedServers];

/**
 * One of everything: Nodes, tailnet devices, etcd members, instances, static addresses and disks.
 *
 * @param withDisk - nodes whose data is on a disk of its own. @default all agents
 */
export async function everyNodeOnce(
  stack: RehearsedStack,
  nodes = rehearsedNodes,
  withDisk = nodes.filter((node) => node.startsWith("agent-")),
): Promise<void> {
  const servers = nodes.filter((node) => node.startsWith("server-"));
  expect(await readyNodes(stack)).toEqual(nodes);
  expect((await nodesOf(stack)).map(({ metadata }) => metadata.name).sort()).toEqual(nodes);
  expect(await stack.deviceNames()).toEqual(
    [...nodes, "operator"].map((name) => stack.instance(name)).sort(),
  );
  for (const server of servers) {
    await eventually(`all servers are voters, as ${server} sees them`, 30, async () => {
      expect(await rehearsedVoters(stack, server)).toEqual(servers);
    });
  }
  const { instances, staticIps, keyPairs, disks } = await stack.books();
  expect(Object.keys(instances).sort()).toEqual(nodes.map((node) => stack.instance(node)));
  expect(Object.keys(keyPairs)).toHaveLength(1);
  const attached = Object.values(staticIps).map(({ attachedTo }) => attachedTo);
  expect(attached.sort()).toEqual(Object.keys(instances).sort());
  expect(Object.entries(disks).map(([name, { attachedTo }]) => [name, attachedTo])).toEqual(
    withDisk.map((node) => [cloudNames(stack.name, node).disk, stack.instance(node)]),
  );
}

export function rehearsalFacts(stack: RehearsedStack): void {
  test("each node has its static address, and labels of where it stands", async () => {
    for (const { metadata, status } of await nodesOf(stack)) {
      const address = (type: string): string | undefined =>
        status.addresses.find((candidate) => candidate.type === type)?.address;
      expect(address("ExternalIP")).toBe(await stack.publicAddress(metadata.name));
      expect(address("InternalIP")).toMatch(/^100\.64\.0\./);
      expect(metadata.labels).toMatchObject({
        "homespan.dev/site": "eu-central-1",
        "homespan.dev/substrate": "lightsail",
        "node-type": "lightsail",
      });
    }
  });

  test("other verbs work on it in the rehearsal's environment", async () => {
    const { stdout } = await stack.homespan(["status", stack.name, "--json"]);
    const { nodes } = JSON.parse(stdout) as {
      readonly nodes: readonly { readonly name: string; readonly ready: boolean }[];
    };
    expect(nodes.filter(({ ready }) => ready).map(({ name }) => name)).toEqual([
      ...rehearsedServers,
      "agent-1",
    ]);
    const hostName = await stack.homespan(["ssh", "--stack", stack.name, "server-2", "--", "hostname"]);
    expect(hostName.stdout.trim()).toBe(
      `ip-${(await stack.privateAddress("server-2")).replaceAll(".", "-")}`,
    );
  });
}
