/** Which stacks have lived long enough. */
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { prepareStack } from "../../cli/state.ts";
import { sweep } from "../../cli/verbs/sweep.ts";
import { type Bed, outputs, resourcesOfCi, withCluster } from "./bed.ts";
import { bed, failure, once } from "./verb-support.ts";

const hour = 3_600_000;
const past = new Date(Date.now() - hour).toISOString();
const future = new Date(Date.now() + hour).toISOString();

/** Its config says two hours, in a file of a given age. */
async function addStack(
  made: Bed,
  name: string,
  resources: readonly object[],
  configured = new Date(),
): Promise<void> {
  await prepareStack(made.context, { name, topology: "ci" }, ["timeToLive=2h"]);
  writeFileSync(
    join(made.context.paths.backend, `.pulumi/stacks/homespan/${name}.json`),
    JSON.stringify({ version: 3, checkpoint: { latest: { resources } } }),
  );
  utimesSync(join(made.context.paths.config, `Pulumi.${name}.yaml`), configured, configured);
}

/** Resources of a stack that is up, and lives until then. */
function upUntil(expiresAt: string | null): readonly object[] {
  const [stack, ...others] = resourcesOfCi;
  return [{ ...stack, outputs: { ...outputs, expiresAt } }, ...others];
}

const longAgo = new Date(Date.now() - 3 * hour);
const stacksOf = (made: Bed): string[] =>
  readdirSync(made.context.paths.config)
    .filter((file) => file !== "Pulumi.yaml")
    .sort();

test("destroys those whose output says so, however old their config is", async () => {
  const made = withCluster(bed());
  await addStack(made, "expired", upUntil(past));
  await addStack(made, "lives", upUntil(future), longAgo);
  // Configured with one since it came up: it has no end before the next `up`.
  await addStack(made, "endless", upUntil(null), longAgo);
  await sweep(made.context, once);
  expect(stacksOf(made)).toEqual(["Pulumi.endless.yaml", "Pulumi.lives.yaml"]);
  expect(made.said).toContain(`stack expired expired at ${past}`);
  const destroyed = made.calls().filter((call) => call.includes("|destroy "));
  expect(destroyed).toHaveLength(1);
  expect(destroyed[0]).toContain("--stack expired ");
});

test("destroys those that never came up when the time of their config is over", async () => {
  const made = withCluster(bed());
  await addStack(made, "old", [], longAgo);
  await addStack(made, "new", []);
  await sweep(made.context, once);
  expect(stacksOf(made)).toEqual(["Pulumi.new.yaml"]);
});

test("with --dry-run only names them", async () => {
  const made = withCluster(bed());
  await addStack(made, "expired", upUntil(past));
  await sweep(made.context, { ...once, dryRun: true });
  expect(stacksOf(made)).toEqual(["Pulumi.expired.yaml"]);
  expect(made.said).toContain(`stack expired expired at ${past}`);
  expect(made.calls().filter((call) => call.includes("|destroy "))).toEqual([]);
});

test("says that none has expired", async () => {
  const made = withCluster(bed());
  await addStack(made, "lives", upUntil(future));
  await sweep(made.context, once);
  expect(made.printed).toEqual(["no stack has expired"]);
});

test.each([
  [false, []],
  [true, ["Pulumi.expired.yaml"]],
])("with --json prints one object, dry run %s", async (dryRun, left) => {
  const made = withCluster(bed({ json: true }));
  await addStack(made, "expired", upUntil(past));
  await addStack(made, "lives", upUntil(future));
  await sweep(made.context, { ...once, dryRun });
  expect(made.printed.map((text) => JSON.parse(text) as unknown)).toEqual([
    { expired: ["expired"], failed: [] },
  ]);
  expect(made.said.filter((text) => text.startsWith("{"))).toEqual([]);
  expect(stacksOf(made)).toEqual([...left, "Pulumi.lives.yaml"]);
});

test("goes on after one that could not be destroyed, and names it", async () => {
  const made = withCluster(bed({ json: true, env: { FAKE_EXIT: "1" } }));
  for (const name of ["one", "two"]) await addStack(made, name, upUntil(past));
  const error = await failure(sweep(made.context, once));
  expect(error.exitCode).toBe(1);
  expect(error.message).toBe("could not destroy: one, two");
  expect(made.printed.map((text) => JSON.parse(text) as unknown)).toEqual([
    { expired: ["one", "two"], failed: ["one", "two"] },
  ]);
  expect(stacksOf(made)).toEqual(["Pulumi.one.yaml", "Pulumi.two.yaml"]);
});

test("goes on after those that cannot be read, and names them", async () => {
  const made = withCluster(bed());
  const { backend, config } = made.context.paths;
  for (const name of ["a-cut", "b-typo", "c-time", "expired"]) await addStack(made, name, upUntil(past));
  writeFileSync(join(backend, ".pulumi/stacks/homespan/a-cut.json"), '{"version":3,"checkpoint":');
  writeFileSync(join(backend, ".pulumi/stacks/homespan/b-typo.json"), '{"version":3}');
  writeFileSync(join(config, "Pulumi.b-typo.yaml"), "config: [");
  await addStack(made, "c-time", upUntil("soon"));
  const error = await failure(sweep(made.context, once));
  expect(error.exitCode).toBe(1);
  expect(error.message).toBe("could not tell whether these have expired: a-cut, b-typo, c-time");
  const said = made.said.join("\n");
  for (const name of ["a-cut", "b-typo", "c-time"]) expect(said).toContain(`stack ${name} cannot be read: `);
  expect(made.printed.join("\n")).not.toContain("no stack has expired");
  expect(stacksOf(made)).toEqual(["Pulumi.a-cut.yaml", "Pulumi.b-typo.yaml", "Pulumi.c-time.yaml"]);
});
