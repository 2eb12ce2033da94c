/** Membership in a tailnet that Tailscale itself runs. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakeNode } from "./fake-kubernetes.ts";
import { FakeTailscaleApi } from "./fake-tailscale-api.ts";
import { agentMembership, type CallError, Harness, runSteward } from "./harness.ts";

const inputs = { ...agentMembership, tailnet: { kind: "tailscale", tailnet: "example.com" } };

let h: Harness;
let api: FakeTailscaleApi;
beforeEach(async () => {
  h = new Harness();
  api = new FakeTailscaleApi();
  await Promise.all([h.start(), api.start()]);
  Object.assign(h.environment, api.withKey);
  runSteward(h, "agent-1");
  h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { address: "100.64.0.2" }));
  api.device("ci-agent-1", "tag:ci-agent", "100.64.0.2");
});
afterEach(() => {
  h.stop();
  api.stop();
});

describe("Membership in Tailscale's own tailnet", () => {
  it("knows its device, misses it, and takes along those of its name and tag", async () => {
    const { state } = await h.create("Membership", inputs);
    expect(state).toMatchObject({ tailnetAddress: "100.64.0.2", deviceId: "n1CNTRL" });
    expect(await h.read("Membership", state)).toEqual(state);
    const devices = [...api.devices];
    api.devices = [];
    expect(await h.read("Membership", state)).toMatchObject({ ready: false });
    api.devices = devices;
    api.device("ci-agent-1", "tag:theirs", "100.64.0.3");
    api.device("ci-agent-2", "tag:ci-agent", "100.64.0.4");
    await h.delete("Membership", state);
    expect(api.devices.map((device) => device.addresses[0])).toEqual(["100.64.0.3", "100.64.0.4"]);
    expect(h.podman.execs.join("\n")).not.toContain("headscale");
  });

  it("stays as it is while the API does not answer, and does not leave then", async () => {
    const { state } = await h.create("Membership", inputs);
    const busy = Array.from({ length: 4 }, () => ({ status: 503 }));
    api.trouble = [...busy];
    expect(await h.read("Membership", state)).toEqual(state);
    api.trouble = [...busy];
    await expect(h.delete("Membership", state)).rejects.toThrow(
      "the device of agent-1 cannot be removed from its tailnet: Tailscale's API does not answer; run again when it does",
    );
    await h.delete("Membership", state);
    expect(api.devices).toEqual([]);
  });

  it("needs credentials, and keeps a node that joined without them", async () => {
    delete h.environment["TAILSCALE_API_KEY"];
    const error: unknown = await h.create("Membership", inputs).catch((caught: unknown) => caught);
    expect((error as CallError).message).toContain("`TAILSCALE_API_KEY`, or");
    expect((error as CallError).kept).toMatchObject({ nodeName: "agent-1", ready: false });
  });

  it("takes no other kind of tailnet", async () => {
    const { problems } = await h.check("Membership", { ...inputs, tailnet: { kind: "wireguard" } });
    expect(problems.join("\n")).toContain("`tailnet.kind`");
  });
});
