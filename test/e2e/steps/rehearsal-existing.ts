/** A machine that no cloud made, at home behind NAT: it joins, works as every other node, and is left as it was found. */
import { expect, test } from "vitest";
import { nodeOf, podsOf, readyNodes } from "../support/kube.ts";
import { exec } from "../support/podman.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

const node = "home-1";

/** The machine, and what the configuration says of it. */
interface HomeMachine {
  readonly container: string;
  readonly agent: unknown;
}

/**
 * What a node could leave behind: files outside of logs and of what the system itself keeps, units, links, mounts, programs that
 * run, rules.
 */
const inventory = `
find / -xdev '(' -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/log -o -path /var/lib/cloud \
  -o -path /var/lib/systemd -o -path /var/cache -o -path /opt/images ')' -prune -o -printf 'file %p %y %m %u\\n'
find /var/lib/machine/own -printf 'file %p %y %m %u\\n'
ls -A /run | sed 's/^/run /'
systemctl list-unit-files --no-legend --type=service,path | sed 's/^/unit /'
ip -o link | awk -F'[:@] *' '{ print "link " $2 }'
awk '{ print "mount " $2 }' /proc/mounts
ps -e -o comm= | sed 's/^/process /'
nft list ruleset | sed 's/^/rule /'
sed 's/^/key /' /home/pi/.ssh/authorized_keys
sed 's/^/resolv /' /etc/resolv.conf`;

/** Of a login, of systemd's own (timedated ends by itself half a minute after the probe's question) and of the questions here. */
const passing =
  /^(run (blkid|motd\.dynamic|sudo|user)|mount \/run\/user|process (sh|ps|sed|sshd|awk|ls|find|systemd.*|\(sd-pam\))|file \/home\/pi\/\.sudo_as_admin_successful|file \/var\/tmp\/systemd-private-[0-9a-f]+-systemd-)/;

async function inventoryOf({ container }: HomeMachine): Promise<readonly string[]> {
  const text = await exec(container, ["sh", "-c", inventory]);
  return [...new Set(text.split("\n"))].filter((line) => line !== "" && !passing.test(line)).sort();
}

/** From the network of a pod of the machine: what the smoke pod of another node answers. */
async function askFromPod({ container }: HomeMachine, address: string): Promise<string> {
  const script =
    'for space in $(ls /run/netns); do ip netns exec "$space" curl -s -m 5 "http://$0:8080/" && exit; done; exit 1';
  return (await exec(container, ["sh", "-c", script, address])).trim();
}

/**
 * @param settings those the stack runs with, the agents among them
 */
export function rehearsalExisting(stack: RehearsedStack, settings: readonly string[]): void {
  test("a machine that no cloud made joins, talks to the others, and is left as it was found", async () => {
    const home = await timed("a machine at home", () => startHome(stack));
    const before = await inventoryOf(home);
    const nodes = await readyNodes(stack);

    await stack.up("a machine that exists joins", withAgent(settings, home.agent));
    expect(await readyNodes(stack)).toEqual([...nodes, node].sort());
    expect((await nodeOf(stack, node)).metadata.labels).toMatchObject({
      "homespan.dev/site": "home",
      "homespan.dev/substrate": "existing",
      "node-type": "existing",
    });
    const server = (await podsOf(stack, "homespan-smoke")).find(({ spec }) => spec.nodeName === "server-1");
    await eventually(`a pod on ${node} is answered by the one on server-1`, 30, async () => {
      expect(await askFromPod(home, server?.status.podIP ?? "")).toBe("server-1");
    });
    await stack.pulumi(["preview", "--expect-no-changes"]);
    expect(await stack.deviceNames()).toContain(stack.instance(node));

    await stack.up("a machine that exists leaves", settings);
    expect(await readyNodes(stack)).toEqual(nodes);
    expect(await stack.deviceNames()).not.toContain(stack.instance(node));
    const after = await inventoryOf(home);
    expect(after.filter((line) => !before.includes(line))).toEqual([]);
    expect(before.filter((line) => !after.includes(line))).toEqual([]);
  });
}

/** By the verb, which prints how to have it in the cluster. */
async function startHome(stack: RehearsedStack): Promise<HomeMachine> {
  const { stdout } = await stack.rehearse("home");
  const [agent] = JSON.parse(/'agents=(.*)'/.exec(stdout)?.[1] ?? "[]") as readonly unknown[];
  expect(agent).toMatchObject({ name: node });
  return { container: `homespan-${stack.world}-machine-home`, agent };
}

function withAgent(settings: readonly string[], agent: unknown): string[] {
  return settings.map((setting) => {
    if (!setting.startsWith("agents=")) return setting;
    const agents = JSON.parse(setting.slice("agents=".length)) as readonly unknown[];
    return `agents=${JSON.stringify([...agents, agent])}`;
  });
}
