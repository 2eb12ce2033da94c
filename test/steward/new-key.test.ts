import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { World } from "./world.ts";

describe.concurrent("a key that comes after the login", () => {
  test("tailscaled is started again, logs in where its device is gone, and k3s follows", async ({
    expect,
  }) => {
    using world = new World().hostFiles().joinFiles("server", "single").set("key", "hskey-auth-new\n");
    // Started again, tailscaled asks, and hears that it is not known any more.
    world.set("backend", "NeedsLogin").at(6, "put key secrets/authkey");
    await world.run(30);
    const acts = world.acts();
    const since = acts.slice(acts.indexOf("event put key") + 1, acts.lastIndexOf("stop k3s"));
    expect(since).toEqual(["stop tailscale", "start tailscale", "up", "stop k3s", "start k3s"]);
    expect(world.has("secrets/authkey")).toBe(false);
    expect(world.read("../fake/key-seen")).toBe("hskey-auth-new\n");
    expect(world.stages()["ready"]).toMatchObject({ state: "done" });
  });

  test("is taken away, without a login, where the device is there", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single").set("key", "hskey-auth-new\n");
    world.at(6, "put key secrets/authkey");
    await world.run(30);
    expect(world.acts().filter((act) => act === "up")).toHaveLength(1);
    expect(world.has("secrets/authkey")).toBe(false);
  });

  test("is taken while the node waits for a server it cannot reach", async ({ expect }) => {
    using world = new World()
      .hostFiles()
      .joinFiles("agent", "join", "s1.tailnet")
      .set("key", "hskey-auth-new\n");
    world.set("backend", "NeedsLogin").at(20, "jump 280").at(301, "put key secrets/authkey");
    await world.run(330);
    expect(world.acts()).toEqual(expect.arrayContaining(["stop tailscale", "start tailscale"]));
    expect(world.read("../fake/key-seen")).toBe("hskey-auth-new\n");
    expect(world.has("secrets/authkey")).toBe(false);
  });

  test("another address is followed by k3s, but not by an etcd member, which says so", async ({ expect }) => {
    const address = "etc/rancher/k3s/config.yaml.d/10-address.yaml";
    const former = 'node-ip: "100.64.0.3"\n';
    using world = new World().hostFiles().joinFiles("agent", "join", "s1.tailnet").put(address, former);
    world.set("answering", "s1.tailnet\n").set("ready", "s1.tailnet\n");
    using member = new World().hostFiles().joinFiles("server", "join", "s1.tailnet").put(address, former);
    member.put("rancher/k3s/server/db/etcd/name", "server-1-5f0c");
    await Promise.all([world.run(10), member.run(10)]);
    expect(world.read(address)).toContain('node-ip: "100.64.0.7"');
    expect(world.stages()["k3s"]).toMatchObject({ state: "done" });
    expect(member.stages()["config"]).toMatchObject({
      state: "failed",
      error:
        "the node's address in the tailnet was 100.64.0.3 and is now 100.64.0.7, which an etcd member cannot follow; " +
        "make the node anew, without its data: ./homespan recreate STACK --node agent-1; with a data disk, which that keeps: " +
        "take the node out of the configuration, pulumi state unprotect the disk, ./homespan up STACK, and put the node in again",
    });
    expect(member.acts()).not.toContain("start k3s");
  });

  test("a delivery that was killed leaves nothing behind", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    mkdirSync(join(world.data, ".receive.a1b2c3/files"), { recursive: true });
    world.put(".receive.a1b2c3/files/agent-token", "secret");
    await world.run(3);
    expect(readdirSync(world.data).filter((name) => name.startsWith(".receive"))).toEqual([]);
  });
});
