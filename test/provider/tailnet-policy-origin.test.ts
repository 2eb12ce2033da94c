/** TailnetPolicyOrigin: whose policy a tailnet has. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { policyMark } from "../../components/render/tailnet-policy.ts";
import { FakeTailscaleApi } from "./fake-tailscale-api.ts";
import { Harness } from "./harness.ts";

const inputs = { tailnet: { kind: "tailscale", tailnet: "-" }, clusterName: "prod" };

let h: Harness;
let api: FakeTailscaleApi;
beforeEach(async () => {
  h = new Harness();
  api = new FakeTailscaleApi();
  await Promise.all([h.start(), api.start()]);
  Object.assign(h.environment, api.withKey);
});
afterEach(() => {
  h.stop();
  api.stop();
});

describe("TailnetPolicyOrigin", () => {
  it("knows the policy that a killed run has left, at creation and by each refresh", async () => {
    const { state } = await h.create("TailnetPolicyOrigin", inputs);
    expect(state["own"]).toBe(false);
    api.policy = `${policyMark("prod")}\n{}\n`;
    expect(await h.read("TailnetPolicyOrigin", state)).toMatchObject({ own: true });
    expect((await h.create("TailnetPolicyOrigin", inputs)).state["own"]).toBe(true);
  });

  it("takes no other policy for its own", async () => {
    const others = [
      policyMark("prod-2"),
      policyMark("pro"),
      `// ${policyMark("prod")}`,
      `{}\n${policyMark("prod")}`,
      "",
    ];
    for (const policy of others) {
      api.policy = `${policy}\n{}\n`;
      expect((await h.create("TailnetPolicyOrigin", inputs)).state["own"], policy).toBe(false);
    }
  });

  it("takes what cannot be asked for somebody else's, and says what a key lacks", async () => {
    api.policy = `${policyMark("prod")}\n{}\n`;
    api.trouble = Array.from({ length: 4 }, () => ({ status: 503 }));
    expect((await h.create("TailnetPolicyOrigin", inputs)).state["own"]).toBe(false);
    api.trouble = [{ status: 403, body: '{"message": "not allowed"}' }];
    await expect(h.create("TailnetPolicyOrigin", inputs)).rejects.toThrow(
      /`TAILSCALE_API_KEY` must be valid and have the scope policy_file, was refused/,
    );
  });
});
