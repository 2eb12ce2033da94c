/** What the rehearsed lightsail stack survives, and takes long to show; each test is from nothing to nothing. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { deleteInConsole } from "../steps/rehearsal-loss.ts";
import { everyNodeOnce, rehearsedServers } from "../steps/rehearsal-creation.ts";
import { nodeOf } from "../support/kube.ts";
import { objectsOf, podman } from "../support/podman.ts";
import { momentBetween } from "../support/random.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { pause } from "../support/wait.ts";

const oneServer = [
  'servers=[{"name":"server-1","bundleId":"medium_3_0","availabilityZone":"eu-central-1a"}]',
];

export function rehearsalTrials(kills: number): void {
  let stack: RehearsedStack;
  let foreign = true;

  beforeEach(async () => {
    stack = new RehearsedStack([]);
    const there = await objectsOf(stack.world);
    if (there.length > 0) throw new Error(`another rehearsal must be destroyed first: ${there.join(", ")}`);
    foreign = false;
  });
  afterEach(async () => {
    await stack.cleanUp(foreign);
  });

  test(`killed at ${kills} random moments it comes up all the same, with nothing twice`, async () => {
    for (let kill = 1; kill <= kills; kill += 1) {
      const moment = momentBetween(2, 40);
      const { ending } = await stack.killedUp(() => pause(moment));
      expect(ending).toBe("SIGKILL");
    }
    await stack.up(`after ${kills} kills`);
    await stack.renewKubeconfig();
    await everyNodeOnce(stack, rehearsedServers);
    // It ends with an error when the clouds' books still hold something.
    await stack.destroy("after kills");
    expect(await objectsOf(stack.world)).toEqual([]);
  });

  test("each server is lost in turn, and comes back", async () => {
    await stack.up("3 servers");
    await stack.renewKubeconfig();
    await stack.kubectl(["create", "configmap", "kept", "--from-literal=key=value"]);
    for (const server of rehearsedServers) {
      await podman(["kill", stack.machine(server)]);
      await deleteInConsole(stack, server);
      await stack.up(`after ${server} was lost`);
      await stack.renewKubeconfig();
      await everyNodeOnce(stack, rehearsedServers);
    }
    expect(await stack.kubectl(["get", "configmap", "kept", "--output=jsonpath={.data.key}"])).toBe("value");
    await stack.destroy("after losses");
  });

  test("one server becomes three, and forgets nothing", async () => {
    await stack.up("1 server", oneServer);
    await stack.renewKubeconfig();
    await everyNodeOnce(stack, ["server-1"]);
    const { uid } = (await nodeOf(stack, "server-1")).metadata;
    await stack.kubectl(["create", "configmap", "kept", "--from-literal=key=value"]);
    await stack.up("2 servers more", []);
    await stack.renewKubeconfig();
    await everyNodeOnce(stack, rehearsedServers);
    expect((await nodeOf(stack, "server-1")).metadata.uid).toBe(uid);
    expect(await stack.kubectl(["get", "configmap", "kept", "--output=jsonpath={.data.key}"])).toBe("value");
    await stack.destroy("grown to 3 servers");
  });
}
