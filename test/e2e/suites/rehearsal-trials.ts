/** What the rehearsed lightsail stack survives, and takes long to show; each test is from nothing to nothing. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { everyNodeOnce, rehearsedServers } from "../steps/rehearsal-creation.ts";
import { objectsOf } from "../support/podman.ts";
import { momentBetween, waitsOver } from "../support/random.ts";
import { RehearsedStack } from "../support/rehearsal.ts";
import { RehearsalPulse } from "../support/rehearsal-pulse.ts";
import { note } from "../support/report.ts";
import { pause } from "../support/wait.ts";

/** The committed servers in another size. */
const larger = rehearsedServers.map((name, index) => ({
  name,
  bundleId: "large_3_0",
  availabilityZone: `eu-central-1${"abc".charAt(index)}`,
}));

export function rehearsalTrials(kills: number): void {
  let stack: RehearsedStack;
  let foreign = true;

  beforeEach(async () => {
    stack = new RehearsedStack([]);
    await stack.insistOnNoOther();
    foreign = false;
  });
  afterEach(async () => {
    await stack.cleanUp(foreign);
  });

  test(`killed at ${kills} random moments three servers come up all the same, with nothing twice`, async () => {
    const first = momentBetween(0.5, 8);
    expect((await stack.killedUp(() => pause(first))).ending).toBe("SIGKILL");
    for (const wait of waitsOver(60, kills - 1)) {
      expect((await stack.killedAtWork(wait)).ending).toBe("SIGKILL");
    }
    await stack.up(`after ${kills} kills`);
    await stack.renewKubeconfig();
    await everyNodeOnce(stack, rehearsedServers);
    // It ends with an error when the clouds' books still hold something.
    await stack.destroy("after kills");
    expect(await objectsOf(stack.world)).toEqual([]);
  });

  test("all servers get another size in one run: one leaves after the other, and the API answers throughout", async () => {
    await stack.up("3 servers");
    await stack.renewKubeconfig();
    await stack.kubectl(["create", "configmap", "kept", "--from-literal=key=value"]);
    const former = (await stack.books()).instances;

    const pulse = await RehearsalPulse.start(stack, rehearsedServers);
    const began = performance.now();
    try {
      await stack.up("3 servers of another size", [`servers=${JSON.stringify(larger)}`], {
        timeoutSeconds: 900,
      });
    } finally {
      await pulse.stop();
    }
    const { through, longestGapSeconds } = pulse.experience(began);
    note("longest time without a write and read through any server", longestGapSeconds);
    for (const [server, { tried, failed }] of Object.entries(through)) {
      process.stdout.write(`             through ${server}: ${failed} of ${tried} failed\n`);
      expect(tried - failed).toBeGreaterThan(0);
    }
    expect(longestGapSeconds).toBeLessThan(20);

    await stack.renewKubeconfig();
    await everyNodeOnce(stack, rehearsedServers);
    expect(await stack.kubectl(["get", "configmap", "kept", "--output=jsonpath={.data.key}"])).toBe("value");
    const { instances } = await stack.books();
    for (const [name, { arn, bundleId }] of Object.entries(instances)) {
      expect(arn).not.toBe(former[name]?.arn);
      expect(bundleId).toBe("large_3_0");
    }
    const births = Object.values(instances)
      .map(({ createdAt }) => Date.parse(createdAt) / 1000)
      .sort((one, other) => one - other);
    // No server boots, joins and votes faster.
    for (const [index, birth] of births.slice(1).entries())
      expect(birth - (births[index] ?? 0)).toBeGreaterThan(15);
    await stack.destroy("3 servers of another size");
  });
}
