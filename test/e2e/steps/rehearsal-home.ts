/** Agents on a rehearsed Mac beside a server in the rehearsed cloud: one cluster over two places, changed, hurt and healed. */
import { expect, test } from "vitest";
import { holds, nodeOf, podsOf, readyNodes } from "../support/kube.ts";
import { exec } from "../support/podman.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { expectDirectAtHome } from "../support/rehearsed-paths.ts";
import { note } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

/** Names of the nodes on the Mac. */
export const homeAgents = ["agent-1", "agent-2"];
const mac = { address: "imac.local", user: "admin", site: "home" };
const blueprint = { cpus: 2, memoryMiB: 2048, dataDiskGiB: 8 };

/** One server, a Mac, and two machines on it. */
export function homeSettings(memoryMiB?: number): string[] {
  const agents = homeAgents.map((name) => ({
    name,
    lima: name === "agent-2" && memoryMiB !== undefined ? { memoryMiB } : {},
  }));
  return [
    'servers=[{"bundleId":"medium_3_0"}]',
    `mac=${JSON.stringify({ ...mac, blueprint })}`,
    `agents=${JSON.stringify(agents)}`,
  ];
}

/** The container that is a node's virtual machine. */
function guest(stack: RehearsedStack, node: string): string {
  return `homespan-${stack.world}-machine-mac-imac.${stack.instance(node)}`;
}

async function limactl(stack: RehearsedStack, ...args: readonly string[]): Promise<string> {
  const command = ["runuser", "-u", mac.user, "--", "env", `HOME=/home/${mac.user}`, "limactl", ...args];
  return exec(`homespan-${stack.world}-machine-mac-imac`, command);
}

async function bootIds(stack: RehearsedStack): Promise<string[]> {
  return Promise.all(
    homeAgents.map((node) => exec(guest(stack, node), ["cat", "/proc/sys/kernel/random/boot_id"])),
  );
}

const uid = async (stack: RehearsedStack, node: string): Promise<string> =>
  stack.kubectl(["get", "node", node, "--output", "jsonpath={.metadata.uid}"]);

/** Node -> uid of the smoke pod that is Ready there. */
async function smokePods(stack: RehearsedStack): Promise<ReadonlyMap<string, string>> {
  const ready = (await podsOf(stack, "homespan-smoke")).filter((pod) => holds(pod, "Ready"));
  return new Map(ready.map(({ spec, metadata }) => [spec.nodeName ?? "", metadata.uid]));
}

/** From the network of a pod on a node: what the smoke pod of another node answers. */
async function askFromPod(container: string, address: string): Promise<string> {
  const script =
    'for space in $(ls /run/netns); do ip netns exec "$space" curl -s -m 5 "http://$0:8080/" && exit; done; exit 1';
  return (await exec(container, ["sh", "-c", script, address])).trim();
}

export function rehearsalHome(stack: RehearsedStack): void {
  test("the Mac's agents are nodes of the cluster, as Lima and Kubernetes see them", async () => {
    expect(await readyNodes(stack)).toEqual([...homeAgents, "server-1"]);
    for (const node of homeAgents) {
      expect((await nodeOf(stack, node)).metadata.labels).toMatchObject({
        "homespan.dev/site": "home",
        "node-type": "lima",
      });
    }
    const format = ["list", "--format", "{{.Name}} {{.Status}} {{.VMType}}"];
    expect((await limactl(stack, ...format)).trim().split("\n")).toEqual(
      homeAgents.map((node) => `${stack.instance(node)} Running vz`),
    );
    await stack.pulumi(["preview", "--expect-no-changes"]);
  });

  test("a pod at home and one in the cloud talk, both ways", async () => {
    const pods = await podsOf(stack, "homespan-smoke");
    const addressOn = (node: string): string =>
      pods.find(({ spec }) => spec.nodeName === node)?.status.podIP ?? "";
    await eventually("a pod at home is answered by one in the cloud", 60, async () => {
      expect(await askFromPod(guest(stack, "agent-1"), addressOn("server-1"))).toBe("server-1");
    });
    await eventually("a pod in the cloud is answered by one at home", 60, async () => {
      expect(await askFromPod(stack.machine("server-1"), addressOn("agent-2"))).toBe("agent-2");
    });
  });

  test("paths shows the home pair direct", async () => {
    await expectDirectAtHome(stack, homeAgents, 120);
  });

  test("more memory for one restarts that one alone, drained, as the same node", async () => {
    const [before, node] = [await bootIds(stack), await uid(stack, "agent-2")];
    const pods = await smokePods(stack);
    await stack.up("memory of one agent", homeSettings(3072));
    const after = await bootIds(stack);
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
    expect(await limactl(stack, "list", "--format", "{{.Memory}}", stack.instance("agent-2"))).toContain(
      String(3072 * 1024 ** 2),
    );
    expect(await uid(stack, "agent-2")).toBe(node);
    expect(await readyNodes(stack)).toEqual([...homeAgents, "server-1"]);
    // A pod outlives a restart of its machine, unless it was evicted before.
    const evicted = await eventually("each node runs a smoke pod", 60, async () => {
      const now = await smokePods(stack);
      expect([...now.keys()].sort()).toEqual([...homeAgents, "server-1"]);
      return [...now].filter(([name, pod]) => pods.get(name) !== pod).map(([name]) => name);
    });
    expect(evicted).toEqual(["agent-2"]);
    const open = ["get", "node", "agent-2", "--output", "jsonpath={.spec.unschedulable}"];
    expect(await stack.kubectl(open)).toBe("");
  });

  test("one that was stopped by hand, and one that was deleted, are the same nodes after the next up", async () => {
    const before = await Promise.all(homeAgents.map((node) => uid(stack, node)));
    await exec(guest(stack, "agent-2"), ["sh", "-c", "echo kept >/data/kept"]);
    await stack.rehearse("fault", ["stop", "agent-1"]);
    await stack.rehearse("fault", ["delete", "agent-2"]);
    expect((await limactl(stack, "list", "--format", "{{.Name}} {{.Status}}")).trim()).toBe(
      `${stack.instance("agent-1")} Stopped`,
    );
    const healed = await stack.up("one stopped and one deleted by hand");
    note("home: both heal", healed.seconds);
    expect(await readyNodes(stack)).toEqual([...homeAgents, "server-1"]);
    expect(await Promise.all(homeAgents.map((node) => uid(stack, node)))).toEqual(before);
    expect((await exec(guest(stack, "agent-2"), ["cat", "/data/kept"])).trim()).toBe("kept");
    expect(await stack.deviceNames()).toEqual(
      expect.arrayContaining(homeAgents.map((node) => stack.instance(node))),
    );
    expect(
      (await stack.deviceNames()).filter((name) => name.startsWith(stack.instance("agent"))),
    ).toHaveLength(2);
  });
}
