/** What is wrong is said before anything exists: exit code 2, the grammar of all messages, no stack trace. */
import { createServer } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { Cluster } from "./support/cluster.ts";
import { objectsOf } from "./support/podman.ts";

const apiPort = 17643;
const cluster = new Cluster({ name: "input-e2e", apiPort });
const stackTrace = /^\s+at .+:\d+:\d+\)?$/m;

afterAll(async () => {
  await cluster.cleanUp();
});

/** Each case: settings, and what the message must name. */
const cases: readonly { readonly settings: readonly string[]; readonly names: readonly RegExp[] }[] = [
  { settings: ["servers=4"], names: [/servers/, /got 4/] },
  { settings: ["agents=-1"], names: [/agents/, /got -1/] },
  { settings: ["agnets=2"], names: [/agnets/, /did you mean .?agents/] },
  { settings: ["servers=3", "datastore=sqlite"], names: [/datastore/] },
  { settings: ["nodes.agnt-1.labels.a=b"], names: [/agnt-1/, /did you mean .?agent-1/] },
  { settings: ["servers=4", "agents=-1", "bogus=1"], names: [/servers/, /agents/, /bogus/] },
];

describe("bad configuration", () => {
  test.each(cases)("$settings", async ({ settings, names }) => {
    const sets = [`apiPort=${apiPort.toString()}`, ...settings].flatMap((setting) => ["--set", setting]);
    const done = await cluster.homespan("up", sets, { mayFail: true });
    for (const name of names) expect(done.output).toMatch(name);
    expect(done.output).not.toMatch(stackTrace);
    expect(done.code).toBe(2);
    expect(await objectsOf(cluster.name)).toEqual([]);
  });
});

test("a port that is taken is named before anything is created", async () => {
  const holder = createServer().listen(apiPort, "127.0.0.1");
  try {
    const done = await cluster.homespan("up", ["--set", `apiPort=${apiPort.toString()}`], { mayFail: true });
    expect(done.code).toBe(2);
    expect(done.output).toContain(apiPort.toString());
    expect(done.output).not.toMatch(stackTrace);
    expect(await objectsOf(cluster.name)).toEqual([]);
  } finally {
    holder.close();
  }
});
