/** HeadscaleServer and HeadscaleKey. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UNKNOWN } from "../../provider/server/values.ts";
import { Harness, isSecret, plain } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

const container = "homespan-ci-headscale";
const server = {
  clusterName: "ci",
  networkName: "homespan-ci-wan",
  address: "10.90.0.10",
  hostName: "control.homespan-ci.internal",
  image: "docker.io/headscale/headscale:0.29.0",
  config: "server_url: https://control.homespan-ci.internal\n",
};

describe("HeadscaleServer", () => {
  it("runs with a fixed address, its own authority and a user", async () => {
    const { id, state } = await h.create("HeadscaleServer", server);
    expect(id).toBe(container);
    expect(state).toMatchObject({
      container,
      volume: `${container}-data`,
      url: `https://${server.hostName}`,
    });
    expect(state["caCertificate"]).toMatch(/^-----BEGIN CERTIFICATE-----/);
    expect(String(state["certificateExpiresAt"])).toMatch(/^2029-02-2/);
    expect(h.headscale.users.map((user) => user.name)).toEqual(["homespan"]);
    const run = h.podman.commands.find((command) => command.startsWith("create ")) ?? "";
    expect(run).toContain("--network homespan-ci-wan:ip=10.90.0.10,mac=02:00:0a:5a:00:0a --restart=always");
    expect(run).not.toContain("--publish");
    expect(await h.diff("HeadscaleServer", (await h.read("HeadscaleServer", state)) ?? {}, server)).toEqual(
      {},
    );
  });

  it("is started again when it was stopped, with the data it had", async () => {
    const { state } = await h.create("HeadscaleServer", server);
    const found = h.podman.containers.get(container);
    if (found !== undefined) found.running = false;
    const stopped = (await h.read("HeadscaleServer", state)) ?? {};
    expect(await h.diff("HeadscaleServer", stopped, server)).toEqual({ running: "update" });
    await h.update("HeadscaleServer", stopped, server);
    expect(h.podman.containers.get(container)?.running).toBe(true);
    expect(h.podman.commands.filter((command) => command.startsWith("volume create"))).toHaveLength(1);
    h.podman.containers.clear();
    expect(await h.read("HeadscaleServer", state)).toMatchObject({ running: false });
    h.podman.volumes.clear();
    expect(await h.read("HeadscaleServer", state)).toBeUndefined();
  });

  it("renews its certificate 30 days before its end", async () => {
    const { state } = await h.create("HeadscaleServer", server);
    h.clock.time += 796 * 24 * 3600 * 1000;
    expect(await h.diff("HeadscaleServer", state, server)).toEqual({ certificateExpiresAt: "update" });
    const renewed = await h.update("HeadscaleServer", state, server);
    expect(await h.diff("HeadscaleServer", renewed, server)).toEqual({});
  });

  it("applies configuration in place and is replaced for another cluster alone", async () => {
    const { state } = await h.create("HeadscaleServer", server);
    expect(await h.diff("HeadscaleServer", state, { ...server, config: "", image: "x" })).toEqual({
      config: "update",
      image: "update",
    });
    expect(await h.diff("HeadscaleServer", state, { ...server, clusterName: "b" })).toEqual({
      clusterName: "replace",
    });
  });

  it("gives up after a minute, and is deleted half-made, whole and missing", async () => {
    h.headscale.up = false;
    await expect(h.create("HeadscaleServer", server)).rejects.toThrow("Headscale did not start within 60 s");
    h.headscale.up = true;
    const { state } = await h.create("HeadscaleServer", server);
    await h.delete("HeadscaleServer", state);
    await h.delete("HeadscaleServer", state);
    expect(h.podman.containers.size + h.podman.volumes.size).toBe(0);
  });

  it("leaves a foreign container alone", async () => {
    h.podman.containers.set(container, { name: container, running: true, labels: {}, pod: "", networks: [] });
    await expect(h.create("HeadscaleServer", server)).rejects.toThrow(`container ${container} must be free`);
    expect(h.podman.containers.has(container)).toBe(true);
  });
});

describe("HeadscalePolicy", () => {
  const policy = { headscale: { kind: "headscale", container }, policy: "// rules\n{}\n" };

  it("is set, found changed by hand or lost, and set again", async () => {
    await h.create("HeadscaleServer", server);
    const { state } = await h.create("HeadscalePolicy", policy);
    expect(h.headscale.policy).toBe(policy.policy);
    const found = (await h.read("HeadscalePolicy", state)) ?? {};
    expect(found).toEqual(state);
    expect(await h.diff("HeadscalePolicy", found, policy)).toEqual({});
    for (const other of ["{}", undefined]) {
      h.headscale.policy = other;
      const drifted = (await h.read("HeadscalePolicy", state)) ?? {};
      expect(await h.diff("HeadscalePolicy", drifted, policy)).toEqual({ found: "update" });
      expect(await h.update("HeadscalePolicy", drifted, policy)).toEqual(state);
      expect(h.headscale.policy).toBe(policy.policy);
    }
    const next = { ...policy, policy: "{ }" };
    expect(await h.diff("HeadscalePolicy", state, next)).toEqual({ policy: "update" });
    await h.delete("HeadscalePolicy", state);
  });

  it("is left as it is while Headscale does not answer, and travels on standard input", async () => {
    await h.create("HeadscaleServer", server);
    const { state } = await h.create("HeadscalePolicy", policy);
    expect(h.podman.execs.join("\n")).not.toContain("// rules");
    h.headscale.up = false;
    expect(await h.read("HeadscalePolicy", state)).toEqual(state);
    await expect(h.create("HeadscalePolicy", policy)).rejects.toThrow("headscale policy set failed");
  });
});

describe("HeadscaleKey", () => {
  const key = {
    headscale: { kind: "headscale", container },
    user: "homespan",
    hostName: "ci-agent-1",
    tags: ["tag:ci-agent"],
    identity: "v1",
  };
  beforeEach(async () => {
    await h.create("HeadscaleServer", server);
  });

  it("is a secret, and its creation removes the former device but no one else's", async () => {
    h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.1");
    h.headscale.device("ci-agent-1", "tag:other", "100.64.0.2");
    h.headscale.device("ci-agent-2", "tag:ci-agent", "100.64.0.3");
    const { state } = await h.create("HeadscaleKey", key);
    expect(isSecret(state["key"])).toBe(true);
    expect(h.headscale.devices.map((device) => device.ip_addresses[0])).toEqual(["100.64.0.2", "100.64.0.3"]);
    expect(h.podman.execs.join("\n")).not.toContain(String(plain(state)["key"]));
  });

  it("stays while its device is there, is gone without one when it was used or has expired", async () => {
    const { state } = await h.create("HeadscaleKey", key);
    expect(await h.read("HeadscaleKey", state)).toEqual(state);
    h.clock.time += 3601 * 1000;
    expect(await h.read("HeadscaleKey", state)).toBeUndefined();
    const device = h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.1");
    expect(await h.read("HeadscaleKey", state)).toEqual(state);
    h.headscale.devices = h.headscale.devices.filter((other) => other.id !== device.id);
    h.clock.time -= 3601 * 1000;
    expect(await h.read("HeadscaleKey", state)).toEqual(state);
    h.headscale.keys = h.headscale.keys.map((found) => ({ ...found, used: true }));
    expect(await h.read("HeadscaleKey", state)).toBeUndefined();
  });

  it("keeps its state while Headscale is down, and fails to be made then", async () => {
    const { state } = await h.create("HeadscaleKey", key);
    h.headscale.up = false;
    expect(await h.read("HeadscaleKey", state)).toEqual(state);
    await expect(h.create("HeadscaleKey", key)).rejects.toThrow(
      `Headscale in ${container} must be running, and does not answer`,
    );
  });

  it("is replaced with the identity, known or not, and not for another expiry", async () => {
    const { state } = await h.create("HeadscaleKey", key);
    expect(await h.diff("HeadscaleKey", state, { ...key, identity: "v2" })).toEqual({ identity: "replace" });
    expect(await h.diff("HeadscaleKey", state, { ...key, identity: UNKNOWN })).toEqual({
      identity: "replace",
    });
    expect(await h.diff("HeadscaleKey", state, { ...key, expirySeconds: 60 })).toEqual({});
  });

  it("is deleted with, and without, its server", async () => {
    const { state } = await h.create("HeadscaleKey", key);
    await h.delete("HeadscaleKey", state);
    expect(h.headscale.keys).toEqual([]);
    await h.delete("HeadscaleKey", state);
    h.podman.containers.clear();
    await h.delete("HeadscaleKey", state);
  });
});
