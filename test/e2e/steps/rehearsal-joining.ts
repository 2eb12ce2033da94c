/** The homelab stack as committed, on a smaller scale, joins the cluster of a rehearsed lightsail stack, and leaves it. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Finished, repository, run } from "../support/command.ts";
import { nodeOf, readyNodes } from "../support/kube.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { note } from "../support/report.ts";

/** Of the homelab stack; its Mac is the one on which the other stack has agents. */
const joining = "agent-3";
const settings = [
  `agents=${JSON.stringify([{ name: joining, lima: { memoryMiB: 2048 } }])}`,
  'mac.blueprint={"cpus":2,"memoryMiB":2048,"dataDiskGiB":8}',
].flatMap((setting) => ["--set", setting]);

/** @param nodes of the lightsail stack */
export function rehearsalJoining(stack: RehearsedStack, nodes: readonly string[]): void {
  const homelab = (verb: string, args: readonly string[] = []): Promise<Finished> =>
    run(join(repository, "homespan"), ["rehearse", "homelab", verb, ...args], {
      env: { HOMESPAN_STATE: stack.state, CI: "true" },
      timeoutSeconds: 420,
    });

  test("an agent of the homelab stack joins the cluster of this one, which it reads as a stack", async () => {
    note("rehearse homelab: an agent joins", (await homelab("up", settings)).seconds);
    expect(await readyNodes(stack)).toEqual([...nodes, joining].sort());
    expect((await nodeOf(stack, joining)).metadata.labels).toMatchObject({
      "homespan.dev/site": "home",
      "node-type": "lima",
    });
    const preview = ["preview", "--stack", "homelab", "--non-interactive", "--expect-no-changes"];
    await run("pulumi", preview, { timeoutSeconds: 240, env: await stack.environment() });
  });

  test("the joined stack goes last, and finds the agent gone from cluster and tailnet", async () => {
    const refused = await stack.rehearse("destroy", [], { mayFail: true });
    expect(refused.code).toBe(2);
    expect(refused.output).toContain("must come after the stacks that join its cluster, got homelab");
    note("rehearse homelab destroy", (await homelab("destroy")).seconds);
    expect(await readyNodes(stack)).toEqual(nodes);
    expect(await stack.deviceNames()).not.toContain(stack.instance(joining));
  });
}
