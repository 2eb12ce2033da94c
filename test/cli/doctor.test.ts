/** What doctor says of a stack on Podman that is there: the nodes that are not ready, and why. */
import { expect, test } from "vitest";
import { prepareStack } from "../../cli/state.ts";
import { doctor } from "../../cli/verbs/doctor.ts";
import { type Bed, withCluster } from "./bed.ts";
import { bed, ci, failure } from "./verb-support.ts";

const done = (name: string): object => ({ name, state: "done", startedAt: "2026-01-01T00:00:00Z" });

/** A cluster of which agent-1 is in this stage, for 90 seconds, at its third attempt; server-1 is ready. */
async function stuckIn(stage: object, json: boolean): Promise<Bed> {
  const made = withCluster(bed({ json }));
  made.environment["FAKE_NODES"] = "server-1 homespan-ci-server-1\nagent-1 homespan-ci-agent-1\n";
  const startedAt = new Date(Date.now() - 90_000).toISOString();
  made.file("stages.json.homespan-ci-agent-1-steward", {
    node: "agent-1",
    stages: [done("tailnet"), { startedAt, attempts: 3, ...stage }, { name: "later", state: "waiting" }],
  });
  await prepareStack(made.context, ci, []);
  return made;
}

const k3s = { name: "k3s", state: "failed", error: "k3s ended with 1: not authorized" };

test("doctor names the node, its stage, the error and the fix, and ends with 1", async () => {
  const made = await stuckIn(k3s, false);
  const error = await failure(doctor(made.context, ci, []));
  expect(error.exitCode).toBe(1);
  expect(error.message).toBe("1 node(s) are not ready");
  expect(made.printed.at(-1)).toMatch(
    /^\nagent-1: stage k3s failed after 1 min 3\d s, 3 attempts: k3s ended with 1: not authorized\n {2}fix: see podman logs homespan-ci-agent-1-k3s\nserver-1: ready$/,
  );
});

test.each([
  [k3s, "see podman logs homespan-ci-agent-1-k3s"],
  [
    { name: "address", state: "running", error: "no address yet" },
    "see podman logs homespan-ci-agent-1-tailscale",
  ],
  [
    { name: "config", state: "waiting" },
    "nobody has written the node's configuration yet: run up again; it goes on where it stopped",
  ],
])("doctor --json says the same: %o", async (stage, fix) => {
  const made = await stuckIn(stage, true);
  const error = await failure(doctor(made.context, ci, []));
  expect(error.exitCode).toBe(1);
  const told = JSON.parse(made.printed[0] ?? "") as { healthy: boolean; nodes: unknown[] };
  expect(told.healthy).toBe(false);
  const { name, ...rest } = stage;
  expect(told.nodes).toEqual([
    { node: "agent-1", stage: name, ...rest, attempts: 3, waitedMs: expect.any(Number) as number, fix },
    { node: "server-1", stage: "ready", state: "done" },
  ]);
});

test("doctor ends well with nodes that are all ready", async () => {
  const made = await stuckIn(done("k3s"), true);
  made.file("stages.json.homespan-ci-agent-1-steward", { node: "agent-1", stages: [done("ready")] });
  await doctor(made.context, ci, []);
  expect(JSON.parse(made.printed[0] ?? "")).toMatchObject({
    healthy: true,
    nodes: [
      { node: "agent-1", stage: "ready", state: "done" },
      { node: "server-1", stage: "ready", state: "done" },
    ],
  });
});

test("doctor says of a node whose steward does not answer where its log is", async () => {
  const made = await stuckIn(k3s, true);
  made.environment["FAKE_STAGES"] = `${made.folder}/none`;
  const error = await failure(doctor(made.context, ci, []));
  expect(error.message).toBe("2 node(s) are not ready");
  const steward = "homespan-ci-server-1-steward";
  expect(JSON.parse(made.printed[0] ?? "")).toMatchObject({
    nodes: [
      { node: "agent-1" },
      {
        ...{ node: "server-1", stage: "boot", state: "failed" },
        error: `its steward does not answer (exited, exit code 3); its log: podman logs ${steward}`,
        fix: "run up again: it makes what is missing",
      },
    ],
  });
});
