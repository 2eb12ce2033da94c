/** What a cloud that fails makes of the lightsail stack: `up` says what happened and how to go on, and goes on. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listProcesses } from "../../../cli/process.ts";
import { everyNodeOnce } from "../steps/rehearsal-creation.ts";
import { objectsOf } from "../support/podman.ts";
import { RehearsedStack } from "../support/rehearsal.ts";

const server = ['servers=[{"bundleId":"medium_3_0","availabilityZone":"eu-central-1a"}]'];
const agent = [...server, 'agents=[{"bundleId":"medium_3_0"}]'];

interface Told {
  readonly nodes: readonly { readonly node: string; readonly stage: string; readonly state: string }[];
}
interface Faults {
  readonly pending: readonly unknown[];
  readonly met: readonly { readonly error: string }[];
}

export function rehearsalFaults(): void {
  let stack: RehearsedStack;
  let foreign = true;

  const fault = (...args: readonly string[]) => stack.rehearse("fault", args);
  const faults = async (): Promise<Faults> => JSON.parse((await fault("list", "--json")).stdout) as Faults;
  const doctor = async (): Promise<Told> =>
    JSON.parse((await stack.homespan(["doctor", stack.name, "--json"], { mayFail: true })).stdout) as Told;
  const settingsOf = (settings: readonly string[]): string[] =>
    settings.flatMap((setting) => ["--set", setting]);

  beforeEach(async () => {
    stack = new RehearsedStack(server);
    await stack.insistOnNoOther();
    foreign = false;
  });
  afterEach(async () => {
    await stack.cleanUp(foreign);
  });

  test("throttling is waited for; no capacity and a lost answer end up with the fix, and it goes on from there", async () => {
    await stack.rehearse("preview", settingsOf(server));
    await fault("CreateInstances", "--error", "ThrottlingException", "--times", "3");
    await fault("CreateInstances", "--error", "InsufficientInstanceCapacity");
    const none = await stack.rehearse("up", settingsOf(server), { mayFail: true });
    expect(none.code).toBe(1);
    expect(none.output).toMatch(/InsufficientInstanceCapacity: .*\n +fix: set another `availabilityZone`/);
    expect(none.output).toMatch(/^ +server-1: stage instance failed: .*InsufficientInstanceCapacity/m);
    expect((await faults()).met.map(({ error }) => error)).toEqual([
      ...Array.from({ length: 3 }, () => "ThrottlingException"),
      "InsufficientInstanceCapacity",
    ]);

    await fault("PutInstancePublicPorts", "--match", "server-1", "--error", "timeout");
    const lost = await stack.rehearse("up", settingsOf(server), { mayFail: true });
    expect(lost.code).toBe(1);
    expect(lost.output).toMatch(/timeout awaiting response headers\n +fix: run up again/);
    expect((await doctor()).nodes).toMatchObject([{ node: "server-1", state: "failed" }]);
    expect((await faults()).pending).toEqual([]);

    await stack.up("1 server, after a cloud that failed");
    await stack.renewKubeconfig();
    await everyNodeOnce(stack, ["server-1"]);

    await fault("CreateInstances", "--match", "agent-1", "--error", "half-created");
    const half = await stack.rehearse("up", [...settingsOf(agent), "--timeout", "0.7"], { mayFail: true });
    expect(half.code).toBe(1);
    expect(half.output).toContain("did not end within its --timeout");
    expect((await doctor()).nodes).toContainEqual(
      expect.objectContaining({ node: "agent-1", stage: "contact", state: "failed" }),
    );
    await stack.homespan(["recreate", stack.name, "--node", "agent-1", "--yes"], { timeoutSeconds: 300 });
    await stack.renewKubeconfig();
    await everyNodeOnce(stack, ["agent-1", "server-1"], []);
    await stack.destroy("after a cloud that failed");
    expect(await objectsOf(stack.world)).toEqual([]);
  });

  test("a machine whose network is cut off is named, and works again once that is mended; destroy needs no daemon", async () => {
    await stack.up("1 server and 1 agent", agent);
    await fault("cut", "agent-1");
    expect((await doctor()).nodes).toEqual([
      expect.objectContaining({ node: "agent-1", stage: "contact", state: "failed" }),
      expect.objectContaining({ node: "server-1", stage: "ready", state: "done" }),
    ]);
    await fault("mend", "agent-1");
    await fault("restart", "server-1");
    await stack.up("after a cut and a restart");
    await stack.renewKubeconfig();
    await everyNodeOnce(stack, ["agent-1", "server-1"], []);

    const daemon = JSON.parse(readFileSync(join(stack.folder, "daemon-process.json"), "utf8")) as {
      readonly pid: number;
    };
    process.kill(daemon.pid, "SIGKILL");
    await stack.destroy("after its daemon was killed");
    expect(await objectsOf(stack.world)).toEqual([]);
    const left = listProcesses().filter(({ words }) => words.some((word) => word.includes(stack.state)));
    expect(left).toEqual([]);
  });
}
