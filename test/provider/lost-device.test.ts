/** A device that was removed from the tailnet by hand: the same machine logs in again with a new key. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Properties, UNKNOWN } from "../../provider/server/values.ts";
import { fakeNode } from "./fake-kubernetes.ts";
import { agentMembership, Harness, isSecret, plain, secret, stewardOf, transportOf } from "./harness.ts";
import { done, failed } from "./fake-podman.ts";
import { onExec, readyStages } from "./trouble.ts";

const headscale = { kind: "headscale", container: "homespan-ci-headscale" };
const key = { headscale, user: "homespan", hostName: "ci-agent-1", tags: ["tag:ci-agent"], identity: "v1" };
const node = {
  clusterName: "ci",
  nodeName: "agent-1",
  site: "home",
  networkName: "homespan-ci-home",
  volumeName: "homespan-ci-agent-1-data",
  identity: "v1",
  stewardImage: "localhost/homespan/steward:0.1.0",
  socketDirectory: "/run/homespan/ci",
  files: { "steward/node.conf": "NODE=agent-1\n" },
};
const login = {
  nodeName: "agent-1",
  transport: transportOf("agent-1"),
  identity: "v1",
  files: { "boot/ca.pem": "PEM\n" },
};
const member = agentMembership;
const steward = stewardOf("agent-1");

let h: Harness;
let keyState: Properties;
let loginState: Properties;
let memberState: Properties;
beforeEach(async () => {
  h = new Harness();
  await h.start();
  const name = headscale.container;
  const labels = { "homespan.cluster": "ci" };
  h.podman.containers.set(name, { name, running: true, labels, pod: "", networks: [] });
  h.headscale.users.push({ id: 9, name: "homespan" });
  keyState = (await h.create("HeadscaleKey", key)).state;
  await h.create("StewardNode", node);
  loginState = (await h.create("StewardLogin", { ...login, authKey: keyState["key"] })).state;
  h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.2");
  h.headscale.keys = h.headscale.keys.map((made) => ({ ...made, used: true }));
  h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { address: "100.64.0.2" }));
  h.podman.stageFiles.set(steward, readyStages());
  memberState = (await h.create("Membership", member)).state;
});
afterEach(() => {
  h.stop();
});

describe("a device that was removed by hand", () => {
  it("is missed by key and membership, and by nobody while it is there", async () => {
    expect(await h.read("HeadscaleKey", keyState)).toEqual(keyState);
    expect(await h.read("Membership", memberState)).toEqual(memberState);
    h.headscale.devices = [];
    expect(await h.read("HeadscaleKey", keyState)).toBeUndefined();
    const found = (await h.read("Membership", memberState)) ?? {};
    expect(await h.diff("Membership", found, member)).toEqual({ ready: "update" });
  });

  it("comes back with a new key on the same volume, in the same pod, under the same identity", async () => {
    h.headscale.devices = [];
    const made = (await h.create("HeadscaleKey", key)).state;
    const news = { ...login, authKey: made["key"] };
    expect(await h.diff("StewardLogin", loginState, news)).toEqual({ authKey: "update" });
    // The steward logs in and deletes the key.
    let asked = 0;
    onExec(h, (container, script) => {
      if (script !== "checksums" || container !== steward || ++asked < 3) return undefined;
      expect(h.podman.files.get(steward)?.get("secrets/authkey")).toBe(plain(made)["key"]);
      h.podman.files.get(steward)?.delete("secrets/authkey");
      h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.9");
      asked = -1000;
      return undefined;
    });
    h.podman.commands.length = 0;
    const updated = await h.update("StewardLogin", loginState, news);
    expect(h.podman.commands).toEqual([]);
    expect(plain(updated)["identity"]).toBe("v1");
    const found = (await h.read("Membership", { ...memberState, ready: false })) ?? {};
    expect(found).toMatchObject({ ready: true, tailnetAddress: "100.64.0.9" });
    expect(await h.read("HeadscaleKey", made)).toEqual(made);
    await h.delete("Membership", memberState);
    expect(h.headscale.devices).toEqual([]);
  });

  it("is named with the node's stage when the login does not succeed", async () => {
    const stages = [{ name: "tailnet", state: "failed", attempts: 1, error: "control is away" }];
    h.podman.stageFiles.set(steward, JSON.stringify({ stages }));
    const news = { ...login, authKey: secret("hskey-new") };
    await expect(h.update("StewardLogin", loginState, news)).rejects.toThrow(
      "agent-1 did not log in with its new key within 120 s: stage `tailnet` is failed: control is away",
    );
  });
});

describe("the way in", () => {
  it("comes in a file of its own, for a node that was made before it", async () => {
    expect(isSecret(loginState["authKey"])).toBe(true);
    const files = h.podman.files.get(steward) ?? new Map<string, string>();
    expect(files.get("secrets/authkey")).toBe(plain(keyState)["key"]);
    expect(files.get("boot/ca.pem")).toBe("PEM\n");
    const text = [...h.podman.commands, ...h.podman.execs].join("\n");
    expect(text).not.toContain(String(plain(keyState)["key"]));
    expect(
      await h.diff("StewardLogin", loginState, { ...login, authKey: keyState["key"], identity: UNKNOWN }),
    ).toEqual({
      identity: "replace",
    });
  });

  it("takes another authority with a steward that starts again, and no second login", async () => {
    const news = { ...login, authKey: keyState["key"], files: { "boot/ca.pem": "OTHER\n" } };
    h.podman.files.get(steward)?.delete("secrets/authkey");
    h.podman.commands.length = 0;
    await h.update("StewardLogin", loginState, news);
    expect(h.podman.commands).toEqual([`restart ${steward}`]);
    expect(h.podman.files.get(steward)?.get("boot/ca.pem")).toBe("OTHER\n");
    expect(h.podman.files.get(steward)?.has("secrets/authkey")).toBe(false);
  });
});

describe("the creation of a key", () => {
  it("removes the key again when a former device cannot be removed", async () => {
    const before = h.headscale.keys.length;
    onExec(h, (_container, _script, argv) =>
      argv.includes("nodes") && argv.includes("delete") ? failed("database is locked") : undefined,
    );
    await expect(h.create("HeadscaleKey", key)).rejects.toThrow("database is locked");
    expect(h.headscale.keys).toHaveLength(before);
  });

  it("leaves no key behind when devices cannot be listed", async () => {
    const before = h.headscale.keys.length;
    onExec(h, (_container, _script, argv) =>
      argv[1] === "nodes" && argv[2] === "list" ? { ...done(), code: 1 } : undefined,
    );
    await expect(h.create("HeadscaleKey", key)).rejects.toThrow("must be running, and does not answer");
    expect(h.headscale.keys).toHaveLength(before);
  });
});
