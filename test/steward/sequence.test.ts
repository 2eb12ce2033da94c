import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, World } from "./world.ts";

const stageNames = ["tailnet", "address", "artifacts", "config", "k3s", "ready"];

// They are rendered once more, to see if they changed, while the container is made in the background: with these delays at the moment in
// which they are read for it.
test("a container that is made early has all its arguments, however slowly they are rendered", async () => {
  using world = new World()
    .hostFiles()
    .joinFiles("server", "single")
    .program(
      "sed",
      'case "$*" in *tailscale.args) /bin/sleep 0.3 ;; *k3s.args) /bin/sleep 0.15 ;; esac\nexec /bin/sed "$@"\n',
    )
    .program("sha256sum", '[ $# -gt 0 ] || /bin/sleep 0.2\nexec /usr/bin/sha256sum "$@"\n');
  await world.run(20);
  const made = world.log().filter((line) => line.startsWith("podman create "));
  expect(made).toHaveLength(2);
  for (const line of made) {
    expect(line).toMatch(/ --pod=pod --volume=\S+ y image-of-\w+$/);
  }
});

describe("the boot of a new node", () => {
  let world: World;
  let result: Outcome;
  beforeAll(async () => {
    world = new World().hostFiles().joinFiles("server", "single");
    result = await world.run(20);
  });
  afterAll(() => {
    world[Symbol.dispose]();
  });

  test("passes every stage, in order", () => {
    expect(result.exitCode).toBe(0);
    const stages = world.stages();
    expect(Object.keys(stages)).toEqual(stageNames);
    for (const stage of Object.values(stages)) {
      expect(stage).toMatchObject({ state: "done", attempts: 1 });
      // The fake clock says 1000 s at the start.
      expect(stage.startedAt).toMatch(/^2026-01-01T00:16:4\d\.\d{3}Z$/);
      expect(Date.parse(stage.finishedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(stage.startedAt ?? ""));
      expect(stage).not.toHaveProperty("error");
    }
    const acts = world.acts();
    expect(acts.filter((act) => !act.startsWith("create "))).toEqual([
      "start tailscale",
      "up",
      "start k3s",
      "run bootstrapper",
      // SIGTERM: k3s ends while the tailnet is still there.
      "stop k3s",
      "stop bootstrapper",
    ]);
    expect(acts.filter((act) => act.startsWith("create ")).sort()).toEqual([
      "create k3s",
      "create tailscale",
    ]);
  });

  test("hands the key over on standard input, and deletes it after the login", () => {
    expect(world.has("secrets/authkey")).toBe(false);
    const log = world.log().join("\n");
    expect(log).toContain(
      "tailscale up --auth-key=file:/dev/stdin --hostname=ci-agent-1 --accept-dns --accept-routes=false --timeout=60s --login-server=https://control",
    );
    expect(log).not.toMatch(/advertise-tags|hskey-auth-secret|agent-secret|server-secret/);
    expect(world.read("../fake/key-seen")).toBe("hskey-auth-secret\n");
  });

  test("gives children the arguments of their file, placeholders replaced, and a checksum of it", () => {
    const made = world.log().find((line) => line.includes("podman create --replace --name=pod-k3s"));
    expect(made).toMatch(
      /^podman create --replace --name=pod-k3s --label=homespan.args=[0-9a-f]{64} --image-volume=ignore --pod=pod --volume=\/machine\/volumes\/data\/k3s:\/x y image-of-k3s$/,
    );
  });
});

describe.concurrent("the boot sequence", () => {
  test("waits for its files before it does anything", async ({ expect }) => {
    using world = new World();
    await world.run(10);
    expect(world.acts()).toEqual([]);
    expect(world.has("steward/stage.json")).toBe(false);
  });

  test("makes a container anew whose arguments changed while the key was on its way", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single").set("key", "hskey-auth-late\n");
    rmSync(join(world.data, "secrets/authkey"));
    world.set("args", "--pod=@POD@\nother-image\n");
    world.at(20, "put args steward/children/k3s.args").at(40, "put key secrets/authkey");
    await world.run(60);
    const acts = world.acts();
    const came = acts.indexOf("event put key");
    expect(acts.slice(came + 1, came + 5)).toEqual(["start tailscale", "up", "create k3s", "start k3s"]);
    expect(world.log().findLast((line) => line.includes("--name=pod-k3s"))).toMatch(/ other-image$/);
  });

  test("makes the containers while the key is on its way, and starts none before", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single").set("key", "hskey-auth-late\n");
    rmSync(join(world.data, "secrets/authkey"));
    world.at(40, "put key secrets/authkey");
    await world.run(60);
    const acts = world.acts();
    const came = acts.indexOf("event put key");
    expect(acts.slice(0, came).sort()).toEqual(["create k3s", "create tailscale"]);
    expect(acts.slice(came + 1, came + 4)).toEqual(["start tailscale", "up", "start k3s"]);
    expect(world.stages()["tailnet"]).toMatchObject({ state: "done", attempts: 1 });
  });

  test("names the key that does not come, and takes one that comes late all the same", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single").set("key", "hskey-auth-late\n");
    rmSync(join(world.data, "secrets/authkey"));
    world.at(1, "jump 300").at(303, "keep late").at(320, "put key secrets/authkey");
    await world.run(400);
    expect(world.stages("late")["tailnet"]).toMatchObject({
      error: "not logged in to the tailnet, and secrets/authkey is missing",
    });
    expect(world.stages()["tailnet"]).toMatchObject({ state: "done" });
  });

  test("shows a refused login with its reason and without the key, and tries on", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    world.set("login-refused", "");
    const result = await world.run(20);

    const { tailnet, address } = world.stages();
    expect(tailnet).toMatchObject({
      state: "failed",
      error: expect.stringContaining("invalid key [secret]") as unknown,
    });
    expect(tailnet?.attempts).toBeGreaterThan(3);
    expect(address).toMatchObject({ state: "waiting", attempts: 0 });
    expect(world.read("steward/stage.json") + result.stderr).not.toContain("hskey-auth-secret");
    expect(world.has("secrets/authkey")).toBe(true);
  });

  test("a spent key beside a login is removed and never offered again", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    world.put("tailscale/tailscaled.state", '{"_current-profile":"x"}');
    await world.run(5);
    expect(world.acts()).not.toContain("up");
    expect(world.has("secrets/authkey")).toBe(false);
  });

  test("a new key for an expired login is used", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    world.put("tailscale/tailscaled.state", '{"_current-profile":"x"}').set("backend", "NeedsLogin");
    await world.run(5);
    expect(world.acts()).toContain("up");
  });

  test("never saves a resolv.conf that MagicDNS wrote", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    await world.run(5);
    expect(world.read("etc/resolv.conf.upstream")).toBe("nameserver 10.89.0.1\n");

    world.set("uptime", "1000.00 0\n").set("resolv.conf", "nameserver 100.100.100.100\n");
    await world.run(5);
    expect(world.read("etc/resolv.conf.upstream")).toBe("nameserver 10.89.0.1\n");

    using lost = new World().hostFiles().joinFiles("server", "single");
    lost.set("resolv.conf", "nameserver 100.100.100.100\n");
    await lost.run(5);
    expect(lost.has("etc/resolv.conf.upstream")).toBe(false);
    expect(lost.stages()["tailnet"]).toMatchObject({
      state: "failed",
      error: expect.stringContaining("MagicDNS") as unknown,
    });
  });

  test("names the join layer's missing file after a bound, and goes on when it comes", async ({ expect }) => {
    using world = new World().hostFiles();
    world.at(5, "jump 118");
    await world.run(125);
    expect(world.stages()["config"]).toMatchObject({
      state: "failed",
      error: "join.conf is missing: the join layer has not written it yet",
    });
    expect(world.acts()).not.toContain("start k3s");
  });

  test("a child that cannot be made is the error of its stage", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    world.set("fail/create", "Error: initializing source docker://image-of-k3s: no such host\n");
    await world.run(20);
    expect(world.stages()["artifacts"]).toMatchObject({
      state: "failed",
      error: expect.stringContaining("no such host") as unknown,
    });
  });

  test("a k3s that ends at once is visible with its last words", async ({ expect }) => {
    using world = new World().hostFiles().joinFiles("server", "single");
    world.set("dies/pod-k3s", "");
    await world.run(30);
    expect(world.stages()["k3s"]).toMatchObject({
      state: "failed",
      error: "k3s ended with exit code 1: last words",
    });
    expect(world.stages()["k3s"]?.attempts).toBeGreaterThan(1);
  });

  test("delays double up to a cap", async ({ expect }) => {
    using world = new World().hostFiles();
    world.set("fail/ps", "Cannot connect to Podman\n");
    await world.run(200);
    expect(world.sleeps().slice(0, 8)).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    expect(world.stages()["tailnet"]?.error).toContain("Cannot connect to Podman");
  });
});
