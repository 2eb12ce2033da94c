/** Changes that make k3s start again: one server after the other, everybody else at once. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fullyQualifiedName, stewardContainer, tailnetHostName } from "../../components/render/names.ts";
import { otherServers, stewardOfHost } from "../../provider/logic/join-conf.ts";
import type { Properties } from "../../provider/server/values.ts";
import { Harness, stewardOf, transportOf } from "./harness.ts";
import { onExec, readyStages } from "./trouble.ts";

const servers = ["server-1", "server-2", "server-3"];
const agents = ["agent-1", "agent-2"];
const node = (nodeName: string) => ({
  clusterName: "ci",
  nodeName,
  site: "home",
  networkName: "homespan-ci-home",
  volumeName: `homespan-ci-${nodeName}-data`,
  identity: "v1",
  stewardImage: "localhost/homespan/steward:0.1.0",
  socketDirectory: "/run/homespan/ci",
  files: { "steward/node.conf": `NODE=${nodeName}\n`, "steward/children/k3s.args": "k3s:1\n" },
});
type Inputs = ReturnType<typeof node>;
const upgraded = (inputs: Inputs): Inputs => ({
  ...inputs,
  files: { ...inputs.files, "steward/children/k3s.args": "k3s:2\n" },
});
const joinConf = (name: string): string => {
  const others = servers.filter((other) => other !== name).map((other) => `ci-${other}.ci.tailnet.internal`);
  return `ROLE=${servers.includes(name) ? "server" : "agent"}\nMODE=join\nSERVERS=${others.join(" ")}\n`;
};

let h: Harness;
let states: Map<string, Properties>;
/** Node -> when it is Ready again. */
let down: Map<string, number>;
/** The most nodes of each kind that were down at once. */
let most: { servers: number; agents: number };
/** How long a node takes to come back. */
let seconds: number;
/** False: the steward finds nothing to do. */
let falls: boolean;

/** k3s of that node starts again. */
function fall(name: string): void {
  down.set(name, h.clock.now() + seconds * 1000);
  h.podman.stageFiles.set(stewardOf(name), JSON.stringify({ stages: [{ name: "k3s", state: "running" }] }));
  const count = (names: readonly string[]): number => names.filter((other) => down.has(other)).length;
  most = {
    servers: Math.max(most.servers, count(servers)),
    agents: Math.max(most.agents, count(agents)),
  };
}

beforeEach(async () => {
  h = new Harness();
  await h.start();
  states = new Map();
  for (const name of [...servers, ...agents]) {
    states.set(name, (await h.create("StewardNode", node(name))).state);
    h.podman.files.get(stewardOf(name))?.set("join.conf", joinConf(name));
    h.podman.stageFiles.set(stewardOf(name), readyStages());
  }
  [down, most] = [new Map<string, number>(), { servers: 0, agents: 0 }];
  [seconds, falls] = [20, true];
  h.podman.commands.length = 0;
  h.podman.imported = (container) => {
    const name = container.replace("homespan-ci-", "").replace("-steward", "");
    if (falls && !down.has(name)) fall(name);
  };
  onExec(h, (container, script) => {
    const name = container.replace("homespan-ci-", "").replace("-steward", "");
    if (script === "receive" && falls && !down.has(name)) fall(name);
    const until = down.get(name);
    if (script === "stage" && until !== undefined && h.clock.now() >= until) {
      down.delete(name);
      h.podman.stageFiles.set(container, readyStages(new Date(until).toISOString()));
    }
    return undefined;
  });
});
afterEach(() => {
  h.stop();
});

const update = (name: string, change: (inputs: Inputs) => Inputs): Promise<Properties> =>
  h.update("StewardNode", states.get(name) ?? {}, change(node(name)));
const updateAll = (names: readonly string[], change: (inputs: Inputs) => Inputs) =>
  Promise.allSettled(names.map((name) => update(name, change)));
const reasons = (results: readonly PromiseSettledResult<unknown>[]): string[] =>
  results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));

describe("a change for all nodes", () => {
  it("of a child's arguments restarts no steward, and takes the servers one after the other", async () => {
    expect(reasons(await updateAll([...servers, ...agents], upgraded))).toEqual([]);
    expect(h.podman.commands).toEqual([]);
    expect(most).toEqual({ servers: 1, agents: 2 });
  });

  it("of what a steward reads at its start restarts the stewards, again one server after the other", async () => {
    const path = "steward/node.conf";
    const change = (inputs: Inputs): Inputs => ({ ...inputs, files: { ...inputs.files, [path]: "NEW=1\n" } });
    expect(reasons(await updateAll(servers, change))).toEqual([]);
    expect(h.podman.commands).toEqual(servers.map((name) => `restart ${stewardOf(name)}`));
    expect(most.servers).toBe(1);
  });

  it("of the control server's CA does the same", async () => {
    const login = (name: string, ca: string) => ({
      ...{ nodeName: name, transport: transportOf(name), identity: "v1" },
      ...{ files: { "boot/ca.pem": ca }, authKey: "hskey-1" },
    });
    falls = false;
    const made = await Promise.all(servers.map((name) => h.create("StewardLogin", login(name, "PEM\n"))));
    falls = true;
    await Promise.all(
      servers.map((name, index) => h.update("StewardLogin", made[index]?.state ?? {}, login(name, "NEW\n"))),
    );
    expect(h.podman.commands).toEqual(servers.map((name) => `restart ${stewardOf(name)}`));
    expect(most.servers).toBe(1);
  });

  it("of the image makes one server's pod anew after the other's", async () => {
    const change = (inputs: Inputs): Inputs => ({ ...inputs, stewardImage: "other" });
    expect(reasons(await updateAll(servers, change))).toEqual([]);
    expect(most.servers).toBe(1);
  });

  it("stops at a server that does not come back, and says why the others stay", async () => {
    seconds = 100_000;
    const [first, ...rest] = reasons(await updateAll(servers, upgraded));
    expect(first).toContain(
      "server-1 was not Ready again within 300 s of its change: stage `k3s` is running",
    );
    expect(rest).toHaveLength(2);
    expect(rest[0]).toContain(
      "server-2 was left as it is: its k3s has to start again, which needs 2 other servers to be Ready, " +
        "and these are not: ci-server-1.ci.tailnet.internal",
    );
    expect([...down.keys()]).toEqual(["server-1"]);
  });

  it("does not wait for the end of a change that was made before its run was killed", async () => {
    h.podman.files.get(stewardOf("server-1"))?.set("steward/children/k3s.args", "k3s:2\n");
    const begun = h.clock.now();
    falls = false;
    await update("server-1", upgraded);
    expect(h.clock.now()).toBe(begun);
  });

  it("finds every server that is not Ready anyway at once: nobody counts on it", async () => {
    for (const name of servers) fall(name);
    expect(reasons(await updateAll(servers, upgraded))).toEqual([]);
    expect(most.servers).toBe(3);
  });
});

describe("another configuration of k3s", () => {
  const folder = "etc/rancher/k3s";
  const sequence = readFileSync(join(import.meta.dirname, "../../boot/config.sh"), "utf8");
  /** What the nodes restart k3s for, as their own script names it; `10-address.yaml` they write themselves. */
  const restarting = [
    ...(/^config_files\(\) \{.*?^\}/ms.exec(sequence)?.[0] ?? "").matchAll(/"\$config_k3s\/([^"]+)"/g),
  ]
    .map(([, name = ""]) => name)
    .filter((name) => !name.endsWith("/10-address.yaml"));
  const config = (nodeName: string, files: Readonly<Record<string, string>>) => ({
    nodeName,
    transport: transportOf(nodeName),
    identity: "v1",
    files: { [`${folder}/config.yaml`]: "x: 1\n", ...files },
    joinFile: { path: "join.conf", fresh: joinConf(nodeName), initialised: joinConf(nodeName) },
    initialised: true,
  });
  /** The most servers that were down at once, as one file comes to all of them. */
  const mostFor = async (name: string): Promise<number> => {
    seconds = 0;
    const made = new Map<string, Properties>();
    for (const server of servers) made.set(server, (await h.create("NodeConfig", config(server, {}))).state);
    for (const server of servers) h.podman.stageFiles.set(stewardOf(server), readyStages());
    down.clear();
    [most, seconds] = [{ servers: 0, agents: 0 }, 20];
    const files = { [`${folder}/${name}`]: "x: 2\n" };
    await Promise.all(
      servers.map((server) => h.update("NodeConfig", made.get(server) ?? {}, config(server, files))),
    );
    return most.servers;
  };

  it("is all that the boot sequence compares", () => {
    expect(restarting).toHaveLength(6);
  });

  it.each(restarting)("reaches one server after the other: %s", async (name) => {
    expect(await mostFor(name)).toBe(1);
  });

  it("that k3s is not restarted for reaches all of them at once", async () => {
    expect(await mostFor("config.yaml.d/05-registration.yaml")).toBe(3);
  });
});

describe("join.conf", () => {
  it("names the other servers to a server alone, and by their name in the tailnet their stewards", () => {
    expect(otherServers(joinConf("server-1"))).toEqual([
      "ci-server-2.ci.tailnet.internal",
      "ci-server-3.ci.tailnet.internal",
    ]);
    expect(otherServers("ROLE=server\nMODE=single\nSERVERS=\n")).toEqual([]);
    expect(otherServers(joinConf("agent-1"))).toEqual([]);
    const name = fullyQualifiedName(tailnetHostName("my-ci", "server-2"), "my-ci.tailnet.internal");
    expect(stewardOfHost(name)).toBe(stewardContainer("my-ci", "server-2"));
  });
});
