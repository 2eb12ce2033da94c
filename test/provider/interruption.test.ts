/** A membership whose creation did not end: what the machine leaves in cluster and tailnet is never forgotten. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakeNode } from "./fake-kubernetes.ts";
import { agentMembership, CallError, Harness, runHeadscale, runSteward, stewardOf } from "./harness.ts";
import { readyStages, refuse } from "./trouble.ts";

const agent = {
  ...agentMembership,
  labels: { "node-type": "steward" },
  waitSeconds: 20,
  drainSeconds: 10,
};

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
  runHeadscale(h);
  runSteward(h, "agent-1");
});
afterEach(() => {
  h.stop();
});

/** The state that is kept although the creation failed. */
async function keptOfFailedCreate() {
  const error: unknown = await h.create("Membership", agent).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(CallError);
  const { kept } = error as CallError;
  expect(kept).toMatchObject({ nodeName: "agent-1", ready: false, deviceId: "" });
  return kept ?? {};
}

describe("a membership whose creation failed", () => {
  it.each([
    [
      "the API refuses to tell of the Node",
      () => {
        refuse(h, "GET /api/v1/nodes/agent-1", 403);
      },
    ],
    [
      "the labels are refused",
      () => {
        refuse(h, "PATCH /api/v1/nodes/agent-1", 422);
      },
    ],
    ["the run is cancelled", () => (h.clock.sleep = () => Promise.reject(new Error("cancelled")))],
    [
      "the Node does not register in time",
      () => {
        h.kubernetes.nodes.clear();
      },
    ],
  ])("is kept when %s, and leaves nothing behind when it is removed", async (reason, trouble) => {
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { ready: !reason.includes("cancelled") }));
    const sleep = h.clock.sleep.bind(h.clock);
    trouble();
    const kept = await keptOfFailedCreate();
    h.clock.sleep = sleep;
    // It registers all the same.
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { address: "100.64.0.2" }));
    h.kubernetes.secrets.add("agent-1.node-password.k3s");
    h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.2");
    h.headscale.device("ci-agent-1", "tag:theirs", "100.64.0.3");
    await h.delete("Membership", kept);
    expect(h.kubernetes.nodes.size).toBe(0);
    expect(h.kubernetes.secrets.size).toBe(0);
    expect(h.headscale.devices.map((device) => device.tags)).toEqual([["tag:theirs"]]);
  });

  it("stays in the state while its Node was never seen, and is finished by the next run", async () => {
    const kept = await keptOfFailedCreate();
    const unseen = (await h.read("Membership", kept)) ?? {};
    expect(await h.diff("Membership", unseen, agent)).toMatchObject({ ready: "update" });
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { address: "100.64.0.2" }));
    h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.2");
    // The node itself has the last word.
    await expect(h.update("Membership", unseen, agent)).rejects.toThrow("was not Ready within 20 s");
    h.podman.stageFiles.set(stewardOf("agent-1"), readyStages());
    const finished = await h.update("Membership", unseen, agent);
    expect(finished).toMatchObject({ ready: true, deviceId: "1", foundLabels: agent.labels });
    const found = (await h.read("Membership", finished)) ?? {};
    expect(await h.diff("Membership", found, agent)).toEqual({});
  });

  it("learns its device when it is read", async () => {
    refuse(h, "PATCH /api/v1/nodes/agent-1", 422);
    h.kubernetes.nodes.set("agent-1", fakeNode("agent-1", { address: "100.64.0.2" }));
    const kept = await keptOfFailedCreate();
    h.headscale.device("ci-agent-1", "tag:ci-agent", "100.64.0.2");
    expect(await h.read("Membership", kept)).toMatchObject({ deviceId: "1", tailnetAddress: "100.64.0.2" });
  });
});
