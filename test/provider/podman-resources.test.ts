/** PodmanService, SiteNetwork, StewardVolume: create, drift, replace, failure, delete when gone. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Harness, plain } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

describe("PodmanService", () => {
  const inputs = { clusterName: "ci", socketDirectory: "/run/homespan/ci" };

  it("starts the service once and adopts one that a killed run left", async () => {
    const { state } = await h.create("PodmanService", inputs);
    expect(state).toEqual({ ...inputs, socketPath: "/run/homespan/ci/podman.sock", pid: 1001 });
    await h.create("PodmanService", inputs);
    expect(h.services.starts).toBe(1);
  });

  it("is gone when the process is gone", async () => {
    const { state } = await h.create("PodmanService", inputs);
    h.services.running.clear();
    expect(await h.read("PodmanService", state)).toBeUndefined();
  });

  it("is replaced when its directory changes, and deleted twice without an error", async () => {
    const { state } = await h.create("PodmanService", inputs);
    expect(await h.diff("PodmanService", state, { ...inputs, socketDirectory: "/run/other" })).toEqual({
      socketDirectory: "replace",
    });
    await h.delete("PodmanService", state);
    await h.delete("PodmanService", state);
    expect(h.services.running.size).toBe(0);
  });
});

describe("SiteNetwork", () => {
  const inputs = { clusterName: "ci", site: "home", denyFromSubnets: ["10.90.0.0/24"] };
  const table = "homespan_ci_home";

  it("makes a labelled network and the rule that drops new connections from other sites", async () => {
    const { id, state } = await h.create("SiteNetwork", inputs);
    expect(id).toBe("homespan-ci-home");
    expect(state).toMatchObject({
      networkName: id,
      subnet: "10.89.0.0/24",
      gateway: "10.89.0.1",
      ruleInPlace: true,
    });
    expect(h.podman.commands).toEqual([
      "network create --label homespan.cluster=ci --label homespan.site=home homespan-ci-home",
    ]);
    expect(h.firewall.tables.get(table)).toContain(
      "ip saddr 10.90.0.0/24 ip daddr 10.89.0.0/24 ct state new counter drop",
    );
    expect(await h.diff("SiteNetwork", (await h.read("SiteNetwork", state)) ?? {}, inputs)).toEqual({});
  });

  it("adopts its own network, and refuses one that is not its own by name", async () => {
    await h.create("SiteNetwork", inputs);
    await h.create("SiteNetwork", inputs);
    expect(h.podman.commands).toHaveLength(1);
    h.podman.networks.set("homespan-ci-far", {
      name: "homespan-ci-far",
      labels: {},
      subnet: "",
      gateway: "",
    });
    await expect(h.create("SiteNetwork", { clusterName: "ci", site: "far" })).rejects.toThrow(
      'network homespan-ci-far must be free or belong to cluster "ci", got one without the label homespan.cluster',
    );
  });

  it("puts a rule back that was removed by hand", async () => {
    const { state } = await h.create("SiteNetwork", inputs);
    h.firewall.tables.clear();
    const found = (await h.read("SiteNetwork", state)) ?? {};
    expect(await h.diff("SiteNetwork", found, inputs)).toEqual({ ruleInPlace: "update" });
    expect(await h.update("SiteNetwork", found, inputs)).toMatchObject({ ruleInPlace: true });
    expect(h.firewall.tables.has(table)).toBe(true);
  });

  it("changes the rule in place and takes it away", async () => {
    const { state } = await h.create("SiteNetwork", inputs);
    const news = { clusterName: "ci", site: "home" };
    expect(await h.diff("SiteNetwork", state, news)).toEqual({ denyFromSubnets: "update" });
    await h.update("SiteNetwork", state, news);
    expect(h.firewall.tables.size).toBe(0);
    expect(await h.diff("SiteNetwork", state, { ...inputs, site: "cloud" })).toEqual({ site: "replace" });
  });

  it("is gone when the network is, and its delete removes what an interrupted run left on it", async () => {
    const { state } = await h.create("SiteNetwork", inputs);
    await h.podman.command([
      ...["pod", "create", "--name", "homespan-ci-agent-1", "--infra-name", "i"],
      ...["--network", "homespan-ci-home", "--label", "homespan.cluster=ci"],
    ]);
    await h.delete("SiteNetwork", state);
    expect(h.podman.pods.size + h.podman.networks.size + h.firewall.tables.size).toBe(0);
    expect(await h.read("SiteNetwork", state)).toBeUndefined();
    await h.delete("SiteNetwork", state);
  });

  it("does not remove a network that a foreign container uses", async () => {
    const { state } = await h.create("SiteNetwork", inputs);
    await h.podman.command(["run", "--detach", "--name", "theirs", "--network", "homespan-ci-home"]);
    await expect(h.delete("SiteNetwork", state)).rejects.toThrow(
      "container theirs must be free or belong to",
    );
    expect(h.podman.networks.size).toBe(1);
  });

  it("reports a failure of podman in one line", async () => {
    h.podman.failing = "network create";
    await expect(h.create("SiteNetwork", inputs)).rejects.toThrow(/^podman network create .* failed: .*$/);
  });
});

describe("StewardVolume", () => {
  const inputs = { clusterName: "ci", nodeName: "agent-1" };

  it("gives the volume an identity and adopts it with that identity", async () => {
    const first = await h.create("StewardVolume", inputs);
    const second = await h.create("StewardVolume", inputs);
    expect(first.state).toMatchObject({ volumeName: "homespan-ci-agent-1-data" });
    expect(plain(second.state)["volumeId"]).toBe(plain(first.state)["volumeId"]);
    expect(h.podman.commands).toHaveLength(1);
  });

  it("shows another volume of the same name as another identity", async () => {
    const { state } = await h.create("StewardVolume", inputs);
    h.podman.volumes.set("homespan-ci-agent-1-data", {
      name: "homespan-ci-agent-1-data",
      labels: { "homespan.cluster": "ci", "homespan.volume-id": "other" },
    });
    expect(await h.read("StewardVolume", state)).toMatchObject({ volumeId: "other" });
  });

  it("refuses a foreign volume, also one of another cluster", async () => {
    const name = "homespan-ci-agent-1-data";
    h.podman.volumes.set(name, { name, labels: { "homespan.cluster": "prod" } });
    await expect(h.create("StewardVolume", inputs)).rejects.toThrow('got one of cluster "prod"');
    h.podman.volumes.set(name, { name, labels: { "homespan.cluster": "ci" } });
    await expect(h.create("StewardVolume", inputs)).rejects.toThrow(
      "must carry the label homespan.volume-id",
    );
  });

  it("is replaced under another name, gone when gone, and deleted when gone", async () => {
    const { state } = await h.create("StewardVolume", inputs);
    expect(await h.diff("StewardVolume", state, { ...inputs, nodeName: "agent-2" })).toEqual({
      nodeName: "replace",
    });
    h.podman.volumes.clear();
    expect(await h.read("StewardVolume", state)).toBeUndefined();
    await h.delete("StewardVolume", state);
  });

  it("takes a pod along that an interrupted run left", async () => {
    const { state } = await h.create("StewardVolume", inputs);
    const name = "homespan-ci-agent-1";
    h.podman.pods.set(name, { name, status: "Running", labels: { "homespan.cluster": "ci" } });
    await h.delete("StewardVolume", state);
    expect(h.podman.pods.has(name)).toBe(false);
    expect(h.podman.volumes.size).toBe(0);
  });

  it("fails when podman does", async () => {
    h.podman.failing = "volume create";
    await expect(h.create("StewardVolume", inputs)).rejects.toThrow("podman volume create");
  });
});
