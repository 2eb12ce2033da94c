import { describe, test } from "vitest";
import { World } from "./world.ts";

const addressFile = "etc/rancher/k3s/config.yaml.d/10-address.yaml";
const common = [
  "# Written by the boot sequence alone.",
  'node-ip: "100.64.0.7"',
  'node-external-ip: "100.64.0.7"',
].join("\n");
const server = [
  'advertise-address: "100.64.0.7"',
  "tls-san+:",
  '  - "100.64.0.7"',
  '  - "name.example"',
].join("\n");

describe.concurrent("10-address.yaml", () => {
  test("single: addresses alone", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    await world.run(5);
    expect(world.read(addressFile)).toBe(`${common}\n${server}\n`);
    expect(world.read("boot/role")).toBe("server\n");
  });

  test("init: cluster-init", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "init");
    await world.run(5);
    expect(world.read(addressFile)).toBe(`${common}\n${server}\ncluster-init: true\n`);
  });

  test("an address of the world's is the node's external one, and nothing else of it", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    world.put("join.conf", `${world.read("join.conf")}EXTERNAL_IP=198.51.100.11\n`);
    await world.run(5);
    const own = common.replace('external-ip: "100.64.0.7"', 'external-ip: "198.51.100.11"');
    expect(world.read(addressFile)).toBe(`${own}\n${server}\n`);
  });

  test("join: the first server that answers and is ready, and not before", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("agent", "join", "s1.tailnet s2.tailnet");
    world.set("answering", "s2.tailnet\n").set("ready-later", "s2.tailnet\n");
    world.at(10, "put ready-later ../fake/ready").at(5, "fake note");
    await world.run(20);

    expect(world.read(addressFile)).toBe(`${common}\nserver: "https://s2.tailnet:6443"\n`);
    const acts = world.acts();
    expect(acts.indexOf("start k3s")).toBeGreaterThan(acts.indexOf("event put ready-later"));
    // One that is not there takes two seconds, one that is there and busy may take ten.
    const asked = world.log().filter((line) => /^curl .*:6443\//.test(line));
    expect(asked.every((line) => line.includes("--connect-timeout 2 --max-time 10"))).toBe(true);
    expect(asked.length).toBeGreaterThan(1);
    // The token travels on standard input.
    expect(world.log().join("\n")).not.toContain("agent-secret");
    expect(world.read("../fake/curl-config")).toBe('user = "node:agent-secret"\n');
  });

  test("join without an agent token: the first server that is there, as there is no more to ask", async ({
    expect,
  }) => {
    using world = new World().hostFiles().joinFiles("server", "join", "s1.tailnet s2.tailnet");
    world.put("secrets/agent-token", "", 0o600).set("answering", "s2.tailnet\n");
    await world.run(20);
    expect(world.read(addressFile)).toContain('server: "https://s2.tailnet:6443"');
  });

  test("join with no server reachable: polls at most every 2 s, stops after a bound and names the ways out", async ({
    expect,
  }) => {
    using world = new World().hostFiles().joinFiles("agent", "join", "s1.tailnet");
    world.at(20, "jump 280");
    await world.run(308);
    expect(world.stages()["config"]).toMatchObject({
      state: "failed",
      error: expect.stringContaining("restore the cluster from a snapshot") as unknown,
    });
    expect(Math.max(...world.sleeps())).toBeLessThanOrEqual(2);
    expect(world.acts()).not.toContain("start k3s");
  });

  test("a member with its datastore comes back although no server answers", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "join", "s1.tailnet s2.tailnet");
    world
      .put("rancher/k3s/server/db/etcd/name", "server-2")
      .put(addressFile, 'server: "https://s2.tailnet:6443"\n');
    await world.run(5);
    expect(world.read(addressFile)).toContain('server: "https://s2.tailnet:6443"');
    expect(world.acts()).toContain("start k3s");
  });

  test("the founder of a cluster stays it when told to join", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "join", "s2.tailnet");
    world.put("rancher/k3s/server/db/etcd/name", "server-1").put(addressFile, "cluster-init: true\n");
    await world.run(5);
    expect(world.read(addressFile)).toContain("cluster-init: true\n");
    expect(world.read(addressFile)).not.toContain("server:");
  });

  test("a former server that is no server of the cluster any more is replaced by one that answers", async ({
    expect,
  }) => {
    using world = new World().hostFiles().joinFiles("agent", "join", "s2.tailnet s3.tailnet");
    world
      .put("rancher/k3s/agent/kubelet.kubeconfig", "x")
      .put(addressFile, 'server: "https://s1.tailnet:6443"\n');
    world.set("answering", "s3.tailnet\n").set("ready", "s3.tailnet\n");
    await world.run(5);
    expect(world.read(addressFile)).toContain('server: "https://s3.tailnet:6443"');
  });

  test("a mode nobody knows is refused in the words of join.conf", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "maybe");
    await world.run(5);
    expect(world.stages()["config"]?.error).toBe(
      '`MODE` in join.conf must be init, join or single, got "maybe"',
    );
  });
});
