import { describe, test } from "vitest";
import { World } from "./world.ts";

/** A node that is ready long before the first event. */
function readyNode(): World {
  return new World().hostFiles().joinFiles("server", "single");
}

/** What happened between the event and the end of the steward. */
function after(world: World, event: string): string[] {
  const acts = world.acts();
  const end = acts.lastIndexOf("stop k3s");
  return acts.slice(acts.indexOf(event) + 1, end);
}

describe.concurrent("supervision", () => {
  test("does nothing, and asks Podman rarely, while all is well", async ({ expect }) => {
    using world = readyNode().at(6, "fake note");
    await world.run(70);
    expect(after(world, "event fake note")).toEqual([]);
    const asked = world
      .log()
      .slice(world.log().indexOf("event fake note"))
      .filter((line) => line.includes("podman ps"));
    expect(asked.length).toBeLessThanOrEqual(3);
  });

  test.for([
    ["k3s", 20],
    // Nothing listens for it, so only the regular look finds it dead.
    ["bootstrapper", 50],
  ] as const)("starts a dead %s again", async ([child, seconds], { expect }) => {
    using world = readyNode().at(6, `died ${child}`);
    await world.run(seconds);
    expect(after(world, `event died ${child}`)).toEqual([`start ${child}`]);
    expect(world.stages()["ready"]).toMatchObject({ state: "done" });
  });

  test("a dead tailscale is started again, and k3s restarted on the new one", async ({ expect }) => {
    using world = readyNode().at(6, "died tailscale");
    await world.run(20);
    expect(after(world, "event died tailscale")).toEqual(["start tailscale", "stop k3s", "start k3s"]);
  });

  test("tailscaled restarted by someone else: k3s is restarted", async ({ expect }) => {
    using world = readyNode().at(6, "restarted tailscale");
    await world.run(20);
    expect(after(world, "event restarted tailscale")).toEqual(["start tailscale", "stop k3s", "start k3s"]);
    expect(world.stages()["address"]).toMatchObject({ state: "done", attempts: 2 });
  });

  test("a child that keeps dying is restarted with growing delays", async ({ expect }) => {
    using world = readyNode();
    for (let time = 6; time < 60; time += 2) {
      world.at(time, "died k3s");
    }
    await world.run(60);
    const starts = world.acts().filter((act) => act === "start k3s").length;
    expect(starts).toBeGreaterThan(3);
    expect(starts).toBeLessThan(9);
  });

  test("changed configuration restarts k3s, a label that only registration reads does not", async ({
    expect,
  }) => {
    using world = readyNode();
    world
      .set("config", "node-name: agent-1\nkubelet-arg: [max-pods=50]\n")
      .set("labels", "node-label: [a=b]\n");
    world.at(6, "put config etc/rancher/k3s/config.yaml");
    await world.run(20);
    expect(after(world, "event put config")).toEqual(["stop k3s", "start k3s"]);

    using other = readyNode().set("labels", "node-label: [a=b]\n");
    other.at(6, "put labels etc/rancher/k3s/config.yaml.d/05-registration.yaml");
    await other.run(20);
    expect(after(other, "event put labels")).toEqual([]);
  });

  test("changed arguments make the child anew", async ({ expect }) => {
    using world = readyNode().set("args", "--pod=@POD@\nnewer-image\n");
    world.at(6, "put args steward/children/k3s.args");
    await world.run(20);
    expect(after(world, "event put args").filter((act) => act !== "stop k3s")).toEqual([
      "create k3s",
      "start k3s",
    ]);
  });

  test("a k3s stopped on purpose stays stopped until it is started", async ({ expect }) => {
    using world = readyNode()
      .set("stop", "")
      .at(6, "put stop steward/k3s.stopped")
      .at(20, "remove steward/k3s.stopped");
    await world.run(36);
    const acts = after(world, "event put stop");
    expect(acts).toEqual(["stop k3s", "event remove steward/k3s.stopped", "start k3s"]);
  });

  test("a steward that starts again leaves running children alone", async ({ expect }) => {
    using world = readyNode();
    await world.run(20);
    const before = world.acts().length;
    // The first run's end stopped the children; they run again, as after the steward alone was killed.
    world.set("uptime", "1000.00 0\n");
    await world.run(20);
    expect(world.acts().slice(before).slice(0, 4)).toEqual([
      "start tailscale",
      "start k3s",
      "start bootstrapper",
      "stop k3s",
    ]);
  });

  test("a Podman service that goes away and comes back is waited for", async ({ expect }) => {
    using world = readyNode().set("gone", "no socket\n");
    world.at(6, "put gone ../fake/fail/all").at(7, "died k3s").at(30, "unfake fail/all");
    const result = await world.run(60);
    expect(result.exitCode).toBe(0);
    expect(world.acts().slice(-3)).toEqual(["start k3s", "stop k3s", "stop bootstrapper"]);
    expect(world.stages()["k3s"]).toMatchObject({ state: "done" });
  });

  test("ready follows the bootstrapper's report", async ({ expect }) => {
    using world = readyNode().set("notready", "STATE=waiting\nDETAIL=the Node is not Ready\n");
    world.at(6, "put notready steward/report/ready");
    await world.run(20);
    expect(world.stages()["ready"]).toMatchObject({ state: "running", error: "the Node is not Ready" });

    using bound = readyNode().set("notready", "STATE=waiting\nDETAIL=the Node is not Ready\n");
    bound.at(6, "put notready steward/report/ready").at(12, "jump 300");
    await bound.run(320);
    expect(bound.stages()["ready"]).toMatchObject({ state: "failed", error: "the Node is not Ready" });
  });
});
