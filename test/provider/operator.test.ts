/** TailnetOperator. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Properties } from "../../provider/server/values.ts";
import { type CallError, Harness, isSecret, plain, secret } from "./harness.ts";

const container = "homespan-ci-headscale";
const inputs = {
  clusterName: "ci",
  loginServer: "https://control.example.internal",
  hostName: "ci-operator",
  authKey: secret("hskey-1"),
  tailnet: { kind: "headscale", container },
};
const directory = "/state/operators/ci";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
  const labels = { "homespan.cluster": "ci" };
  h.podman.containers.set(container, { name: container, running: true, labels, pod: "", networks: [] });
  // Whoever logs in is a device of Headscale's from then on.
  h.operators.loggedIn = (deviceId) => {
    const device = h.headscale.device("ci-operator", "tag:ci-operator", "100.64.0.5");
    device.id = deviceId as unknown as number;
  };
});
afterEach(() => {
  h.stop();
});

/** What a refresh finds, and what the next update makes of it. */
async function heal(state: Properties, news: Properties = inputs): Promise<Properties> {
  const found = (await h.read("TailnetOperator", state)) ?? {};
  expect(await h.diff("TailnetOperator", found, { ...news, authKey: found["authKey"] })).toEqual({
    running: "update",
  });
  return h.update("TailnetOperator", found, news);
}

describe("TailnetOperator", () => {
  it("runs with a proxy on this machine, logged in with its key", async () => {
    const { id, state } = await h.create("TailnetOperator", inputs);
    expect(id).toBe("homespan-ci-operator");
    expect(state).toMatchObject({ directory, proxyUrl: "http://127.0.0.1:20001", running: true });
    expect(isSecret(state["authKey"])).toBe(true);
    expect(h.operators.tried).toMatchObject([{ authKey: "hskey-1", again: false, hostName: "ci-operator" }]);
    const found = (await h.read("TailnetOperator", state)) ?? {};
    expect(found).toEqual(state);
    expect(await h.diff("TailnetOperator", found, inputs)).toEqual({});
  });

  it("insists on the tailnet's domain, by which nodes are found, and on MagicDNS", async () => {
    const named = { ...inputs, domain: "tailnet.example.com" };
    const { state } = await h.create("TailnetOperator", named);
    expect(await h.diff("TailnetOperator", state, named)).toEqual({});
    const wrong = { ...inputs, domain: "tailnet.example.org" };
    await expect(h.create("TailnetOperator", wrong)).rejects.toThrow(
      '`tailnet.domain` must be the tailnet\'s own, tailnet.example.com, got "tailnet.example.org"',
    );
    h.operators.domain = "";
    await expect(h.create("TailnetOperator", named)).rejects.toThrow("MagicDNS must be on in the tailnet");
  });

  it("is started again with its port and its login when it is dead", async () => {
    const { state } = await h.create("TailnetOperator", inputs);
    h.operators.running.clear();
    expect(await heal(state)).toEqual(state);
    expect(h.operators.tried).toHaveLength(1);
    h.operators.running.clear();
    h.operators.taken.add(20_001);
    const moved = await heal(state);
    expect(moved["proxyUrl"]).not.toBe(state["proxyUrl"]);
    expect(await h.read("TailnetOperator", moved)).toEqual(moved);
  });

  it("logs in with the key of the day on another machine, and when its device was removed", async () => {
    const { state } = await h.create("TailnetOperator", inputs);
    h.operators.running.clear();
    h.operators.logins.clear();
    const news = { ...inputs, authKey: secret("hskey-2") };
    const moved = await heal(state, news);
    expect(h.operators.tried.at(-1)).toMatchObject({ authKey: "hskey-2", again: false });
    h.headscale.devices = [];
    const back = await heal(moved, { ...inputs, authKey: secret("hskey-3") });
    expect(h.operators.tried.at(-1)).toMatchObject({ authKey: "hskey-3", again: true });
    expect(plain(back)["deviceId"]).not.toBe(moved["deviceId"]);
    h.headscale.up = false;
    expect(await h.read("TailnetOperator", back)).toEqual(back);
  });

  it("uses no new key while it is logged in, and none to be switched on again", async () => {
    const { state } = await h.create("TailnetOperator", inputs);
    const news = { ...inputs, authKey: secret("hskey-2") };
    expect(await h.diff("TailnetOperator", state, news)).toEqual({ authKey: "update" });
    await h.update("TailnetOperator", state, news);
    expect(h.operators.tried).toHaveLength(1);
    h.operators.reached = { backend: "Stopped", problems: [] };
    await heal(state);
    expect(h.operators.tried.at(-1)).toMatchObject({ authKey: undefined, again: false });
    h.operators.reached = { backend: "NeedsLogin", problems: [] };
    await heal(state, news);
    expect(h.operators.tried.at(-1)).toMatchObject({ authKey: "hskey-2", again: true });
  });

  it("is started anew for another authority, and replaced for another tailnet or name", async () => {
    const { state } = await h.create("TailnetOperator", inputs);
    const news = { ...inputs, caCertificate: "PEM" };
    expect(await h.diff("TailnetOperator", state, news)).toEqual({ caCertificate: "update" });
    await h.update("TailnetOperator", state, news);
    expect(h.operators.started.at(-1)).toMatchObject({ caCertificate: "PEM", port: 20_001 });
    const other = { ...inputs, loginServer: "", hostName: "x" };
    expect(await h.diff("TailnetOperator", state, other)).toEqual({
      loginServer: "replace",
      hostName: "replace",
    });
  });

  it("says why it cannot log in, and leaves nothing behind", async () => {
    h.operators.refusal = "authkey already used";
    await expect(h.create("TailnetOperator", inputs)).rejects.toThrow(
      "the tailnet operator ci-operator could not log in to https://control.example.internal: authkey already used",
    );
    expect(h.operators.running.size).toBe(0);
    await expect(h.create("TailnetOperator", { ...inputs, loginServer: "" })).rejects.toThrow(
      "could not log in to Tailscale: ",
    );
  });

  it("offers no key to one that has not read yet that it has logged in", async () => {
    const { state } = await h.create("TailnetOperator", inputs);
    h.operators.running.clear();
    h.operators.reading = 3;
    const dead = (await h.read("TailnetOperator", state)) ?? {};
    expect(await h.update("TailnetOperator", dead, inputs)).toEqual(state);
    expect(h.operators.started).toHaveLength(2);
    expect(h.operators.tried).toHaveLength(1);
  });

  it("waits for its tailnet with the login it has, for a bounded time", async () => {
    const { state } = await h.create("TailnetOperator", inputs);
    h.operators.reached = { backend: "Starting", problems: ["control is away"] };
    const begun = h.clock.now();
    await expect(heal(state)).rejects.toThrow(
      "the tailnet operator ci-operator was not logged in within 60 s: it is Starting; control is away",
    );
    expect(h.clock.now() - begun).toBeLessThan(61_000);
    expect(h.operators.tried).toHaveLength(1);
  });

  it("is kept while its device waits to be approved, and needs no other key then", async () => {
    h.operators.approval = true;
    const error: unknown = await h.create("TailnetOperator", inputs).catch((caught: unknown) => caught);
    const { message, kept = {} } = error as CallError;
    expect(message).toBe(
      "the tailnet operator ci-operator cannot reach its tailnet: its device has to be approved in the tailnet's admin console",
    );
    expect(kept).toMatchObject({ running: false, proxyUrl: "http://127.0.0.1:20001" });
    expect(isSecret(kept["authKey"])).toBe(true);
    await expect(heal(kept)).rejects.toThrow("has to be approved");
    h.operators.reached = { backend: "Running", problems: [] };
    const approved = (await h.read("TailnetOperator", kept)) ?? {};
    expect(approved["running"]).toBe(true);
    expect(h.operators.tried).toHaveLength(1);
  });

  it("takes over what a run that was killed left", async () => {
    const { state } = await h.create("TailnetOperator", inputs);
    expect((await h.create("TailnetOperator", inputs)).state).toEqual(state);
    expect(h.operators.started).toHaveLength(1);
  });

  it("logs out and takes its device along, and no other", async () => {
    const { state } = await h.create("TailnetOperator", inputs);
    h.headscale.device("ci-operator", "tag:ci-operator", "100.64.0.6");
    await h.delete("TailnetOperator", state);
    expect(h.operators.logins.size + h.operators.running.size).toBe(0);
    expect(h.headscale.devices.map((device) => device.ip_addresses[0])).toEqual(["100.64.0.6"]);
    await h.delete("TailnetOperator", state);
    h.headscale.up = false;
    await h.delete("TailnetOperator", state);
  });

  it("needs nothing to know of the tailnet's devices", async () => {
    const { tailnet: _, ...alone } = inputs;
    const { state } = await h.create("TailnetOperator", alone);
    h.headscale.devices = [];
    expect(await h.read("TailnetOperator", state)).toEqual(state);
    await h.delete("TailnetOperator", state);
    expect(h.podman.execs).toEqual([]);
  });
});
