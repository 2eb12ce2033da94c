/** The restore drill on the rehearsed lightsail stack: all of three servers deleted in the cloud, and the cluster back from its bucket. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rehearsalRemoval } from "../e2e/steps/rehearsal-removal.ts";
import { rehearsalRestore } from "../e2e/steps/rehearsal-restore.ts";
import { footprint } from "../e2e/support/footprint.ts";
import { objectsOf } from "../e2e/support/podman.ts";
import { RehearsedStack } from "../e2e/support/rehearsal.ts";

const stack = new RehearsedStack(['agents=[{"bundleId":"medium_3_0","diskGiB":8}]']);

describe("the restore drill", () => {
  let before: ReadonlySet<string> = new Set();
  let foreign = true;

  beforeAll(async () => {
    expect(await objectsOf(stack.world), "another rehearsal must be destroyed first").toEqual([]);
    foreign = false;
    before = await footprint(stack.world);
  });
  afterAll(async () => {
    await stack.cleanUp(foreign);
  });

  test("three servers and an agent come up", async () => {
    await stack.up("3 servers and 1 agent");
  });
  rehearsalRestore(stack);
  rehearsalRemoval(stack, () => before);
});
