/** A Headscale server that is not the cluster's own: users, keys, policy and devices by its API. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openPolicy } from "../../components/render/headscale-policy.ts";
import { policyMark } from "../../components/render/tailnet-policy.ts";
import { makeAuthority } from "../../provider/effects/certificates.ts";
import { inspectHeadscale, type HeadscaleInspection } from "../../provider/effects/headscale-inspection.ts";
import { connectProxy } from "../../rehearsal/daemon/proxy.ts";
import { FakeHeadscaleServer, HEADSCALE_KEY, HEADSCALE_NAME } from "./fake-headscale-server.ts";
import { Harness, isSecret, plain } from "./harness.ts";

let h: Harness;
let server: FakeHeadscaleServer;
beforeEach(async () => {
  h = new Harness();
  server = new FakeHeadscaleServer();
  await Promise.all([h.start(), server.start()]);
  h.environment["HEADSCALE_API_KEY"] = HEADSCALE_KEY;
});
afterEach(() => {
  h.stop();
  server.stop();
});

const userInputs = () => ({ headscale: server.ref, clusterName: "prod", name: "prod" });
const policyInputs = () => ({
  headscale: server.ref,
  policy: `${policyMark("prod")}\n{}\n`,
  ownedBy: "prod",
});
const keyInputs = (changes: object = {}) => ({
  headscale: server.ref,
  user: "prod",
  hostName: "prod-agent-1",
  tags: ["tag:prod-agent"],
  identity: "i-1",
  ...changes,
});

describe("HeadscaleUser", () => {
  it("makes a user that is missing, and takes it away", async () => {
    const { state } = await h.create("HeadscaleUser", userInputs());
    expect(server.users).toMatchObject([{ name: "prod", displayName: "Homespan cluster prod" }]);
    expect(state).toMatchObject({ made: true, userId: server.users[0]?.id });
    expect(await h.read("HeadscaleUser", state)).toEqual(state);
    expect(await h.diff("HeadscaleUser", state, userInputs())).toEqual({});
    await h.delete("HeadscaleUser", state);
    expect(server.users).toEqual([]);
    expect(await h.read("HeadscaleUser", state)).toBeUndefined();
    await h.delete("HeadscaleUser", state);
  });

  it("leaves a user alone that was there, and one that has got devices of its own", async () => {
    server.users = [{ id: "7", name: "prod", displayName: "Pat" }];
    const { state } = await h.create("HeadscaleUser", userInputs());
    expect(state).toMatchObject({ made: false, userId: "7" });
    await h.delete("HeadscaleUser", state);
    expect(server.users).toHaveLength(1);
    server.users = [];
    const made = (await h.create("HeadscaleUser", userInputs())).state;
    server.owners.add(String(made["userId"]));
    await h.delete("HeadscaleUser", made);
    expect(server.users).toHaveLength(1);
  });

  it("knows its own user after a run that was killed", async () => {
    await h.create("HeadscaleUser", userInputs());
    const { state } = await h.create("HeadscaleUser", userInputs());
    expect(state["made"]).toBe(true);
    expect(server.users).toHaveLength(1);
  });

  it("does not take a silent server's word for anything", async () => {
    const { state } = await h.create("HeadscaleUser", userInputs());
    server.stop();
    expect(await h.read("HeadscaleUser", state)).toEqual(state);
    await expect(h.delete("HeadscaleUser", state)).rejects.toThrow(
      /Headscale at https:\/\/127.0.0.1:\d+ does not answer: .*ECONNREFUSED/,
    );
    await expect(h.create("HeadscaleUser", userInputs())).rejects.toThrow(/does not answer; run again/);
  });
});

describe("HeadscalePolicy of a server that outlives the stack", () => {
  it("is set where there is none, put right when it was changed, and open to everyone in the end", async () => {
    const { state } = await h.create("HeadscalePolicy", policyInputs());
    expect(server.policy).toBe(policyInputs().policy);
    expect(await h.diff("HeadscalePolicy", state, policyInputs())).toEqual({});
    server.policy = `${policyMark("prod")}\n{ "grants": [] }\n`;
    const drifted = (await h.read("HeadscalePolicy", state)) ?? {};
    expect(await h.diff("HeadscalePolicy", drifted, policyInputs())).toEqual({ found: "update" });
    await h.update("HeadscalePolicy", drifted, policyInputs());
    expect(server.policy).toBe(policyInputs().policy);
    await h.delete("HeadscalePolicy", state);
    expect(server.policy).toBe(openPolicy);
    await h.create("HeadscalePolicy", policyInputs());
    expect(server.policy).toBe(policyInputs().policy);
  });

  it("is never set over what others wrote, which it tells how to extend", async () => {
    const theirs = `// ours\n{ "acls": [] }\n`;
    server.policy = theirs;
    const refusal =
      /was written by others and is left alone: `tailnet.policy` must be elsewhere, with this merged into it, or `tailnet.adopt` true.*:\n\/\/ Written by Homespan for the cluster prod/s;
    await expect(h.create("HeadscalePolicy", policyInputs())).rejects.toThrow(refusal);
    expect(server.policy).toBe(theirs);
    server.policy = undefined;
    const { state } = await h.create("HeadscalePolicy", policyInputs());
    server.policy = theirs;
    const drifted = (await h.read("HeadscalePolicy", state)) ?? {};
    await expect(h.update("HeadscalePolicy", drifted, policyInputs())).rejects.toThrow(refusal);
    await h.delete("HeadscalePolicy", drifted);
    expect(server.policy).toBe(theirs);
  });

  it("of another cluster is somebody else's", async () => {
    server.policy = `${policyMark("prod-2")}\n{}\n`;
    await expect(h.create("HeadscalePolicy", policyInputs())).rejects.toThrow("was written by others");
  });

  it("is known again after a run that was killed while it set it", async () => {
    server.policy = `${policyMark("prod")}\n{ "tests": [] }\n`;
    await h.create("HeadscalePolicy", policyInputs());
    expect(server.policy).toBe(policyInputs().policy);
  });

  it("takes over what is there if it is told to, and stays then", async () => {
    server.policy = "{}";
    const { state } = await h.create("HeadscalePolicy", { ...policyInputs(), adopt: true });
    expect(server.policy).toBe(policyInputs().policy);
    expect(await h.diff("HeadscalePolicy", state, policyInputs())).toEqual({});
    await h.delete("HeadscalePolicy", state);
    expect(server.policy).toBe(policyInputs().policy);
  });

  it("says what to do where the server keeps its policy in a file", async () => {
    server.policyMode = "file";
    server.policy = "";
    await expect(h.create("HeadscalePolicy", policyInputs())).rejects.toThrow(
      /`policy.mode` in the configuration of Headscale at .* must be database.*merge this into that file:\n\/\/ Written/s,
    );
  });
});

describe("HeadscaleKey at a server that outlives the stack", () => {
  beforeEach(() => {
    server.users = [{ id: "7", name: "prod", displayName: "" }];
  });

  it("is for one login of one tag, secret, and gone in the end", async () => {
    server.node("prod-agent-1", "tag:prod-agent", "100.64.0.2");
    server.node("prod-agent-1", "tag:theirs", "100.64.0.3");
    const { state } = await h.create("HeadscaleKey", keyInputs());
    expect(isSecret(state["key"])).toBe(true);
    expect(server.keys).toMatchObject([
      { user: "7", reusable: false, ephemeral: false, aclTags: ["tag:prod-agent"] },
    ]);
    expect(server.nodes.map(({ tags }) => tags)).toEqual([["tag:theirs"]]);
    expect(await h.read("HeadscaleKey", state)).toEqual(state);
    await h.delete("HeadscaleKey", state);
    expect(server.keys).toEqual([]);
    expect(await h.read("HeadscaleKey", state)).toBeUndefined();
    expect(h.podman.execs).toEqual([]);
  });

  it("for the operator is for any number of logins, until it expires, and takes no device away", async () => {
    const inputs = keyInputs({
      ...{ hostName: "prod-operator", tags: ["tag:prod-operator"] },
      ...{ shared: true, expirySeconds: 60 },
    });
    server.node("prod-operator", "tag:prod-operator", "100.64.0.9");
    const { state } = await h.create("HeadscaleKey", inputs);
    const [key] = server.keys;
    expect(key).toMatchObject({ reusable: true, ephemeral: true });
    expect(server.nodes).toHaveLength(1);
    if (key !== undefined) key.used = true;
    expect(await h.read("HeadscaleKey", state)).toEqual(state);
    if (key !== undefined) key.expiration = new Date(h.clock.time - 1).toISOString();
    expect(await h.read("HeadscaleKey", state)).toBeUndefined();
  });

  it("and all else stay the same when the server's CA is another, not when the server is", async () => {
    const { state } = await h.create("HeadscaleKey", keyInputs());
    const { certificate } = await makeAuthority("next", Date.now());
    const rotated = { ...server.ref, caCertificate: certificate };
    const moved = { ...server.ref, url: "https://other.example.com" };
    expect(await h.diff("HeadscaleKey", state, keyInputs({ headscale: rotated }))).toEqual({
      "headscale.caCertificate": "update",
    });
    expect(await h.diff("HeadscaleKey", state, keyInputs({ headscale: moved }))).toMatchObject({
      "headscale.url": "replace",
    });
    const own = { kind: "headscale", container: "homespan-ci-headscale" };
    expect(Object.values(await h.diff("HeadscaleKey", state, keyInputs({ headscale: own })))).toContain(
      "replace",
    );
  });
});

describe("TailnetDevice at a server that outlives the stack", () => {
  const place = () => ({
    ...{ tailnet: server.ref, hostName: "prod-agent-1", tag: "tag:prod-agent", identity: "i-1" },
  });

  it("frees the name of this cluster's devices alone, before and after", async () => {
    server.node("prod-agent-1", "tag:prod-agent", "100.64.0.2");
    server.node("prod-agent-1", "tag:theirs", "100.64.0.3");
    const { state } = await h.create("TailnetDevice", place());
    expect(server.nodes.map(({ tags }) => tags[0])).toEqual(["tag:theirs"]);
    server.node("prod-agent-1", "tag:prod-agent", "100.64.0.4");
    const found = (await h.read("TailnetDevice", state)) ?? {};
    expect(found).toMatchObject({ found: true });
    server.nodes = server.nodes.filter(({ tags }) => tags[0] === "tag:theirs");
    expect(await h.read("TailnetDevice", found)).toBeUndefined();
    server.node("prod-agent-1", "tag:prod-agent", "100.64.0.5");
    await h.delete("TailnetDevice", found);
    expect(server.nodes.map(({ tags }) => tags[0])).toEqual(["tag:theirs"]);
  });
});

describe("the way to the server", () => {
  it("needs a key, and names its variable when it is missing or refused, never the key", async () => {
    h.environment["HEADSCALE_API_KEY"] = "";
    await expect(h.create("HeadscaleUser", userInputs())).rejects.toThrow(
      /`HEADSCALE_API_KEY` must be set to an API key of https:\/\/.*found none/,
    );
    h.environment["HEADSCALE_API_KEY"] = "hskey-api-wrong";
    const refused = h.create("HeadscaleUser", userInputs()).catch((error: unknown) => String(error));
    expect(await refused).toMatch(/`HEADSCALE_API_KEY` must be a valid API key of https:\/\/.*was refused/);
    expect(await refused).not.toContain("hskey-api-wrong");
  });

  it("goes by the proxy that HTTPS_PROXY names, to a name only the proxy knows", async () => {
    const proxy: Server = connectProxy(() => ({ [HEADSCALE_NAME]: "127.0.0.1" }));
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as AddressInfo;
    h.environment["HTTPS_PROXY"] = `http://127.0.0.1:${String(port)}`;
    const headscale = { ...server.ref, url: `https://${HEADSCALE_NAME}:${String(server.port)}` };
    const { state } = await h.create("HeadscaleUser", { ...userInputs(), headscale });
    expect(plain(state)).toMatchObject({ made: true });
    proxy.closeAllConnections();
    proxy.close();
  });
});

describe("an inspection", () => {
  const inspect = (changes: object = {}, key = HEADSCALE_KEY): Promise<HeadscaleInspection> =>
    inspectHeadscale({ ...server.ref, ...changes }, key, {});
  const kinds = async (...args: Parameters<typeof inspect>): Promise<string[]> =>
    (await inspect(...args)).findings.map(({ kind }) => kind);

  it("finds nothing wrong with a server that will do, and changes nothing", async () => {
    expect(await inspect()).toEqual({ findings: [], policy: "", policyInFile: false });
    server.policy = "{}";
    server.version = { version: "dev" };
    expect(await inspect()).toEqual({ findings: [], policy: "{}", policyInFile: false });
    expect(server.requests.filter((line) => !line.startsWith("GET "))).toEqual([]);
  });

  it("finds what is too old, and goes on asking", async () => {
    for (const version of ["0.28.0", "v0.26.1", "v0.28.0-beta.1"]) {
      server.version = { version };
      expect(await kinds({}, "wrong")).toEqual(["old", "refused"]);
    }
    for (const version of ["v0.29.0", "0.30.1", "v1.0.0"]) {
      server.version = { version };
      expect(await kinds()).toEqual([]);
    }
    server.version = undefined;
    expect(await kinds()).toEqual(["old"]);
  });

  it("tells a silent server from one that is not trusted, and from one of something else", async () => {
    const { certificate } = await makeAuthority("another", Date.now());
    expect(await kinds({ caCertificate: certificate })).toEqual(["untrusted"]);
    expect(await kinds({ caCertificate: "" })).toEqual(["untrusted"]);
    expect(await kinds({ url: server.url.replace("127.0.0.1", "localhost") })).toEqual(["untrusted"]);
    expect(await kinds({ url: "https://127.0.0.1:1" })).toEqual(["silent"]);
  });

  it("finds a policy in a file, as Headscale has by default", async () => {
    server.policyMode = "file";
    expect(await inspect()).toEqual({ findings: [], policy: undefined, policyInFile: true });
  });

  it("asks nothing that needs a key without one", async () => {
    expect(await inspect({}, "")).toMatchObject({ findings: [], policy: undefined });
    expect(server.requests).toEqual(["GET /version"]);
  });
});
