/** The first run after the machine has started again, and after runs that were killed. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Properties } from "../../provider/server/values.ts";
import { fakeNode } from "./fake-kubernetes.ts";
import { agentMembership, Harness, runSteward, stewardOf, transportOf } from "./harness.ts";
import { readyStages } from "./trouble.ts";

const headscale = { kind: "headscale", container: "homespan-ci-headscale" };
const inputs: Readonly<Record<string, Properties>> = {
  PodmanService: { clusterName: "ci", socketDirectory: "/run/homespan/ci" },
  SiteNetwork: { clusterName: "ci", site: "home", denyFromSubnets: ["10.90.0.0/24"] },
  HeadscaleServer: {
    clusterName: "ci",
    networkName: "homespan-ci-wan",
    address: "10.90.0.10",
    hostName: "control.homespan-ci.internal",
    image: "docker.io/headscale/headscale:0.29.0",
    config: "",
  },
  HeadscaleKey: {
    headscale,
    user: "homespan",
    hostName: "ci-agent-1",
    tags: ["tag:ci-agent"],
    identity: "v1",
  },
  StewardVolume: { clusterName: "ci", nodeName: "agent-1" },
  StewardNode: {
    clusterName: "ci",
    nodeName: "agent-1",
    site: "home",
    networkName: "homespan-ci-home",
    volumeName: "homespan-ci-agent-1-data",
    identity: "v1",
    stewardImage: "localhost/homespan/steward:0.1.0",
    socketDirectory: "/run/homespan/ci",
    files: { "steward/node.conf": "NODE=agent-1\n" },
  },
  NodeConfig: {
    nodeName: "agent-1",
    transport: transportOf("agent-1"),
    identity: "v1",
    files: { "etc/rancher/k3s/config.yaml": "" },
    joinFile: { path: "join.conf", fresh: "", initialised: "" },
    initialised: true,
  },
  Membership: agentMembership,
};

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

describe("after the machine has started again", () => {
  it("one run finds all that is gone, keeps all that is not, and brings it back", async () => {
    const states: Record<string, Properties> = {};
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { address: "100.64.0.2" }));
    for (const [type, news] of Object.entries(inputs)) {
      states[type] = (await h.create(type, news)).state;
      if (type === "HeadscaleKey") h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.2");
    }
    // /run is empty, no rule is loaded, nothing runs; volumes, networks and stopped containers are on the disk.
    h.services.running.clear();
    h.firewall.tables.clear();
    for (const container of h.podman.containers.values()) container.running = false;
    h.headscale.up = false;
    h.kubernetes.answering = new Set();

    const drifts: Record<string, unknown> = {};
    for (const [type, news] of Object.entries(inputs)) {
      const found = await h.read(type, states[type] ?? {});
      drifts[type] = found === undefined ? "gone" : await h.diff(type, found, news);
      states[type] = found ?? {};
    }
    expect(drifts).toEqual({
      PodmanService: "gone",
      SiteNetwork: { ruleInPlace: "update" },
      HeadscaleServer: { running: "update" },
      HeadscaleKey: {},
      StewardVolume: {},
      StewardNode: { running: "update" },
      NodeConfig: {},
      Membership: { ready: "update" },
    });

    h.headscale.up = true;
    h.kubernetes.answering = undefined;
    await h.create("PodmanService", inputs["PodmanService"] ?? {});
    for (const type of ["SiteNetwork", "HeadscaleServer", "StewardNode"]) {
      states[type] = await h.update(type, states[type] ?? {}, inputs[type] ?? {});
    }
    h.podman.stageFiles.set(stewardOf("agent-1"), readyStages());
    await h.update("Membership", states["Membership"] ?? {}, inputs["Membership"] ?? {});
    expect(h.services.running.has("/run/homespan/ci")).toBe(true);
    expect(h.firewall.tables.size).toBe(1);
    expect([...h.podman.containers.values()].filter((container) => !container.running)).toEqual([]);
    expect(h.podman.commands.filter((command) => command.startsWith("volume rm"))).toEqual([]);
  });

  it("a steward that has a lost socket directory mounted is started again, the others are not", async () => {
    for (const name of ["agent-1", "agent-2"]) runSteward(h, name);
    const foreign = "homespan-other-agent-1-steward";
    h.podman.containers.set(foreign, { name: foreign, running: true, labels: {}, pod: "", networks: [] });
    h.podman.blind.add(stewardOf("agent-2")).add(foreign);
    await h.create("PodmanService", inputs["PodmanService"] ?? {});
    expect(h.podman.commands).toEqual([`restart ${stewardOf("agent-2")}`]);
  });
});

describe("after a run that was killed", () => {
  it("a site's rule that no state tells of goes with the site", async () => {
    const open = { clusterName: "ci", site: "home" };
    const { state } = await h.create("SiteNetwork", open);
    h.firewall.tables.set("homespan_ci_home", "table");
    await h.delete("SiteNetwork", state);
    expect(h.firewall.tables.size).toBe(0);
    h.firewall.remove = () => Promise.reject(new Error("nft must be installed, found no such program"));
    await h.delete("SiteNetwork", state);
    await expect(h.delete("SiteNetwork", { ...state, denyFromSubnets: ["10.0.0.0/8"] })).rejects.toThrow(
      "nft",
    );
  });

  it("an authority whose files are empty is made anew", async () => {
    const { pack } = (await import("tar-stream")).default;
    const command = h.podman.command.bind(h.podman);
    h.podman.command = async (args, options) => {
      if (args[0] !== "cp") return command(args, options);
      const archive = pack();
      archive.entry({ name: args[1]?.split("/").at(-1) ?? "" }, "");
      archive.finalize();
      const chunks: Uint8Array[] = [];
      for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    const name = "homespan-ci-headscale-data";
    h.podman.volumes.set(name, { name, labels: { "homespan.cluster": "ci" } });
    const { state } = await h.create("HeadscaleServer", inputs["HeadscaleServer"] ?? {});
    expect(state["caCertificate"]).toMatch(/^-----BEGIN CERTIFICATE-----/);
  });
});
