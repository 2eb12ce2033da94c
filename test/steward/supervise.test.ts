import { describe, test } from "vitest";
import { World } from "./world.ts";

/** A node that is ready long before the first event. */
function readyNode(): World {
  return new World().hostFiles().joinFiles("server", "single");
}

/** What happened from one event to another, or to the end of the steward; `stop k3s` is how it ends. */
function after(world: World, event: string, next?: string): string[] {
  const acts = world.acts();
  const from = acts.indexOf(event);
  const to = next === undefined ? acts.lastIndexOf("stop k3s") : acts.indexOf(next);
  if (from < 0 || to < from) {
    throw new Error(`expected ${event} and then ${next ?? "the end"}, got: ${acts.join(", ")}`);
  }
  return acts.slice(from + 1, to);
}

// Hundreds of short processes each: on a busy machine that takes a multiple of the seconds it takes on an idle one.
describe.concurrent("supervision", { timeout: 120_000 }, () => {
  test("restarts what dies, with all that depends on it, and does nothing while all is well", async ({
    expect,
  }) => {
    using world = readyNode()
      .at(6, "fake note")
      .at(70, "died k3s")
      // Nothing listens for it, so only the regular look, every 30 s, finds it dead.
      .at(90, "died bootstrapper")
      .at(136, "died tailscale")
      .at(160, "restarted tailscale");
    await world.run(176);

    expect(after(world, "event fake note", "event died k3s")).toEqual([]);
    const log = world.log();
    const calm = log.slice(log.indexOf("event fake note"), log.indexOf("event died k3s"));
    expect(calm.filter((line) => line.includes("podman ps")).length).toBeLessThanOrEqual(3);

    expect(after(world, "event died k3s", "event died bootstrapper")).toEqual(["start k3s"]);
    expect(after(world, "event died bootstrapper", "event died tailscale")).toEqual(["start bootstrapper"]);
    const anew = ["start tailscale", "stop k3s", "start k3s"];
    expect(after(world, "event died tailscale", "event restarted tailscale")).toEqual(anew);
    // The first start is the event itself: someone else's.
    expect(after(world, "event restarted tailscale")).toEqual(anew);
    // At the boot and whenever tailscale or k3s had died or was another.
    expect(world.stages()["address"]).toMatchObject({ state: "done", attempts: 4 });
    expect(world.stages()["ready"]).toMatchObject({ state: "done" });
  });

  test("a child that keeps dying is restarted with growing delays", async ({ expect }) => {
    using world = readyNode();
    for (let time = 6; time < 60; time += 2) {
      world.at(time, "died k3s");
    }
    // From here on nobody reports it to be ready.
    world.at(37, "unfake auto-ready").at(59, "keep dying");
    await world.run(60);
    const starts = world.acts().filter((act) => act === "start k3s").length;
    expect(starts).toBeGreaterThan(3);
    expect(starts).toBeLessThan(9);
    expect(world.stages("dying")["ready"]?.error).toMatch(
      /^[3-9] times in a row k3s ended with exit code \d+: .*; no report yet$/,
    );
  });

  test("what changes on the volume is applied, and nothing for a label that only registration reads", async ({
    expect,
  }) => {
    using world = readyNode()
      .set("labels", "node-label: [a=b]\n")
      .set("config", "node-name: agent-1\nkubelet-arg: [max-pods=50]\n")
      .set("args", "--pod=@POD@\nnewer-image\n")
      .set("stop", "")
      .at(6, "put labels etc/rancher/k3s/config.yaml.d/05-registration.yaml")
      .at(16, "put config etc/rancher/k3s/config.yaml")
      .at(30, "put args steward/children/k3s.args")
      .at(44, "put stop steward/k3s.stopped")
      .at(58, "remove steward/k3s.stopped");
    await world.run(74);

    expect(after(world, "event put labels", "event put config")).toEqual([]);
    expect(after(world, "event put config", "event put args")).toEqual(["stop k3s", "start k3s"]);
    const made = after(world, "event put args", "event put stop").filter((act) => act !== "stop k3s");
    expect(made).toEqual(["create k3s", "start k3s"]);
    // Stopped on purpose, it stays stopped until it is started.
    expect(after(world, "event put stop", "event remove steward/k3s.stopped")).toEqual(["stop k3s"]);
    expect(after(world, "event remove steward/k3s.stopped")).toEqual(["start k3s"]);
  });

  test("a registry that comes, moves and goes restarts k3s each time, and nothing else", async ({
    expect,
  }) => {
    using world = readyNode()
      .set("registry", "mirrors: { a: { endpoint: [http://10.0.0.11:5000] } }\n")
      .set("moved", "mirrors: { a: { endpoint: [http://10.0.9.11:5000] } }\n")
      .at(6, "put registry etc/rancher/k3s/registries.yaml")
      .at(20, "put moved etc/rancher/k3s/registries.yaml")
      .at(34, "remove etc/rancher/k3s/registries.yaml");
    await world.run(50);
    const events = world.acts().filter((act) => act.startsWith("event "));
    expect(events).toHaveLength(3);
    const again = ["stop k3s", "start k3s"];
    expect(after(world, events[0] ?? "", events[1])).toEqual(again);
    expect(after(world, events[1] ?? "", events[2])).toEqual(again);
    expect(after(world, events[2] ?? "")).toEqual(again);
  });

  test("so does each other file that is part of what k3s was started with", async ({ expect }) => {
    const names = ["admission.yaml", "flannel.json", "config.yaml.d/20-snapshots.yaml"];
    using world = readyNode().set("text", "x: 1\n");
    for (const [index, name] of names.entries()) world.at(6 + 14 * index, `put text etc/rancher/k3s/${name}`);
    await world.run(50);
    const acts = world.acts().slice(world.acts().indexOf("event put text"));
    const once = ["event put text", "stop k3s", "start k3s"];
    expect(acts.slice(0, -2)).toEqual([...once, ...once, ...once]);
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
    world.at(6, "put notready steward/report/ready").at(12, "keep soon").at(13, "jump 300");
    await world.run(321);
    expect(world.stages("soon")["ready"]).toMatchObject({ state: "running", error: "the Node is not Ready" });
    expect(world.stages()["ready"]).toMatchObject({ state: "failed", error: "the Node is not Ready" });
  });
});
