/** A stack that nobody brought up or down to the end is found by its time to live, and nothing of it stays. */
import { globSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Cluster } from "./support/cluster.ts";
import { repository, run } from "./support/command.ts";
import { objectsOf, stateOf } from "./support/podman.ts";
import { timed } from "./support/report.ts";
import { eventually } from "./support/wait.ts";

const cluster = new Cluster({
  name: "sweep-e2e",
  apiPort: 17743,
  settings: { agents: 0, timeToLive: "1h" },
});

afterAll(async () => {
  await cluster.cleanUp();
});

interface Swept {
  readonly expired: readonly string[];
  readonly failed?: readonly string[];
}

async function sweep(...args: readonly string[]): Promise<Swept> {
  const env = { HOMESPAN_STATE: cluster.state, CI: "true" };
  const options = { env, timeoutSeconds: 120 };
  const done = await run(join(repository, "homespan"), ["sweep", "--json", "--yes", ...args], options);
  return JSON.parse(done.stdout) as Swept;
}

test("a stack whose up was killed is left alone until its time is over, then swept", async () => {
  const killed = await timed("up of one server, killed once its machine runs", () =>
    cluster.killedUp(() =>
      eventually("the steward runs", 60, () => stateOf(cluster.container("server-1", "steward"))),
    ),
  );
  expect(killed.ending).toBe("SIGKILL");
  expect(await objectsOf(cluster.name)).toContain(`pod ${cluster.pod("server-1")}`);
  expect(await sweep()).toEqual({ expired: [], failed: [] });

  const [configuration = ""] = globSync(`config/Pulumi.${cluster.name}.yaml`, { cwd: cluster.state });
  const twoHoursAgo = Date.now() / 1000 - 7200;
  utimesSync(join(cluster.state, configuration), twoHoursAgo, twoHoursAgo);
  expect(await timed("sweep of a stack whose up was killed", () => sweep())).toEqual({
    expired: [cluster.name],
    failed: [],
  });
  expect(await objectsOf(cluster.name)).toEqual([]);
  expect(globSync("**/*", { cwd: cluster.state })).toEqual([]);
});
