/** A cluster begins with one server and grows to three and an agent, although most of its runs are killed. */
import { expect, test } from "vitest";
import { nodeOf } from "../support/kube.ts";
import { momentBetween, waitsOver } from "../support/random.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { pause } from "../support/wait.ts";
import { everyNodeOnce, rehearsedNodes } from "./rehearsal-creation.ts";

/** As in the committed file, so that it stays what it is when the others come. */
const oneServer = [
  'servers=[{"name":"server-1","bundleId":"medium_3_0","availabilityZone":"eu-central-1a"}]',
];

/**
 * From the first to the last kill, without the ten seconds that each run takes until it is at work: machines go on meanwhile. With these
 * it is about as long as the part takes when it is left alone, on the two cores of our CI.
 */
const birthSeconds = 20;
const growthSeconds = 30;

/** An object that was written when the cluster had one server. */
export async function keptText(stack: RehearsedStack): Promise<string> {
  return stack.kubectl(["get", "configmap", "kept", "--output=jsonpath={.data.text}"]);
}

/** Over when AWS has taken an order for an instance, and its machine is being made. */
async function instanceOrdered(stack: RehearsedStack): Promise<void> {
  const end = performance.now() + 60_000;
  while ((await orderedInstances(stack)).length === 0 && performance.now() < end) await pause(0.05);
}

/** What tells them from others of their names. */
async function orderedInstances(stack: RehearsedStack): Promise<string[]> {
  const { instances } = await stack.books();
  return Object.values(instances).flatMap(({ machine, arn }) => (machine === "ordered" ? [arn] : []));
}

function killedTimes(count: number): string[] {
  return Array.from({ length: count }, () => "SIGKILL");
}

/** @param settings what makes three servers and an agent of the committed file. */
export function rehearsalGrowth(stack: RehearsedStack, settings: readonly string[]): void {
  let uid = "";

  test("one server comes up, although five runs are killed on the way", async () => {
    // The clouds themselves are being made at first.
    const first = momentBetween(0.5, 8);
    const endings = [(await stack.killedUp(() => pause(first), oneServer)).ending];
    for (const wait of waitsOver(birthSeconds, 4)) endings.push((await stack.killedAtWork(wait)).ending);
    expect(endings).toEqual(killedTimes(5));
    await stack.up("1 server, after 5 kills");
    await stack.renewKubeconfig();
    await everyNodeOnce(stack, ["server-1"]);
    ({ uid } = (await nodeOf(stack, "server-1")).metadata);
    await stack.kubectl(["create", "configmap", "kept", "--from-literal=text=by one server"]);
  });

  test("it becomes three servers and an agent, although six runs are killed, one in the middle of CreateInstances", async (context) => {
    context.skip(uid === "", "the first server did not come up");
    const killed = await stack.killedUp(() => instanceOrdered(stack), settings);
    const ordered = await orderedInstances(stack);
    expect(ordered).not.toEqual([]);
    const endings = [killed.ending];
    for (const wait of waitsOver(growthSeconds, 5)) endings.push((await stack.killedAtWork(wait)).ending);
    expect(endings).toEqual(killedTimes(6));

    const done = await stack.up("2 servers and 1 agent more, after 6 kills");
    await stack.renewKubeconfig();
    for (const node of rehearsedNodes) {
      const role = node.replace(/-\d$/, "");
      const row = new RegExp(`^${node} +${role} +eu-central-1 +100\\.64\\.0\\.\\d+ +Ready +v1\\.`, "m");
      expect(done.output).toMatch(row);
    }
    await everyNodeOnce(stack);
    // The same cluster, and the instances that were ordered by whoever was killed over it.
    expect((await nodeOf(stack, "server-1")).metadata.uid).toBe(uid);
    expect(await keptText(stack)).toBe("by one server");
    const arns = Object.values((await stack.books()).instances).map(({ arn }) => arn);
    expect(arns).toEqual(expect.arrayContaining(ordered));
    stack.usable = true;
  });
}
