/** The smoke test's pods, after a run that changed the nodes below them. */
import { expect, test } from "vitest";
import { awaitSmokeTest } from "../../cli/smoke-test.ts";
import { up } from "../../cli/verbs/up.ts";
import { type Bed, events, resourcesOfCi, step, urn, withCluster } from "./bed.ts";
import { bed, ci, once } from "./verb-support.ts";

const machine = ["homespan:index:StewardNode", "agent-1-machine"] as const;
const deployment = ["kubernetes:apps/v1:Deployment", "smoke-deployment"] as const;

test("waits until all run, and warns where not all run in the end: the nodes are Ready", async () => {
  const { context, environment, calls, said } = withCluster(bed());
  const wait = (seconds: number) =>
    awaitSmokeTest(context, "ci", "apiVersion: v1\n", { seconds, pauseSeconds: 0.01 });
  const waiting = 'Waiting for deployment "smoke" rollout to finish: 2 of 4 updated replicas are available';
  environment["FAKE_ROLLOUT"] = `${waiting}...`;
  await wait(1);
  expect(calls().length).toBeGreaterThan(1);
  expect(calls()[0]).toMatch(
    /^kubectl\|600\|--namespace homespan-smoke rollout status deployment\/smoke --watch=false --request-timeout=10s$/,
  );
  expect(said).toEqual([
    `waiting for a pod of the smoke test on each node: ${waiting}`,
    `warning: after 1 s not every node was seen to run a pod of the smoke test: ${waiting}; ` +
      "see ./homespan kubectl --stack ci get pods -n homespan-smoke -o wide",
  ]);
  const asked = calls().length;
  environment["FAKE_ROLLOUT"] = 'deployment "smoke" successfully rolled out';
  await wait(60);
  expect(calls()).toHaveLength(asked + 1);
  expect(said).toHaveLength(2);
});

/** An `up` in which these were updated; how often it looked at the rollout. */
async function looks(
  made: Bed,
  updated: readonly (readonly [type: string, name: string])[],
): Promise<number> {
  const done = updated.map(([type, name]) => ({ resOutputsEvent: step("update", type, name) }));
  made.environment["FAKE_EVENTS"] = made.file("events", events(...done));
  await up(made.context, ci, once);
  return made.calls().filter((call) => call.includes("rollout status")).length;
}

const [type, name] = deployment;
const resources = [...resourcesOfCi, { urn: urn(type, name), type }];
const withSmokeTest = (): Bed => {
  const made = withCluster(bed());
  made.environment["FAKE_CHECKPOINT"] = made.file("smoke.json", {
    version: 3,
    checkpoint: { latest: { resources } },
  });
  return made;
};

test("up looks at them after it changed a node and nothing of the Deployment", async () => {
  expect(await looks(withSmokeTest(), [machine])).toBe(1);
});

test.each([
  ["nothing was changed", withSmokeTest, []],
  ["Pulumi waited for the Deployment", withSmokeTest, [machine, deployment]],
  ["the stack has none, as it joins another's cluster", () => withCluster(bed()), [machine]],
])("up does not where %s", async (_, made, updated) => {
  expect(await looks(made(), updated)).toBe(0);
});
