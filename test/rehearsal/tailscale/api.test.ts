/** The stand-in for Tailscale's API, as its clients see it. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ACCOUNT_USER } from "../../../rehearsal/clouds/tailscale/account.ts";
import { DOMAIN, StandIn, tagged } from "./stand-in.ts";

let api: StandIn;
beforeEach(async () => {
  api = new StandIn();
  await api.start();
});
afterEach(() => api.stop());

const order = (
  create: Readonly<Record<string, unknown>> = {},
  rest: Readonly<Record<string, unknown>> = {},
) => ({
  capabilities: { devices: { create } },
  ...rest,
});
const field = (value: unknown, name: string): unknown => (value as Record<string, unknown>)[name];

describe("who may call", () => {
  it("is whoever has the API key, as Basic user or Bearer", async () => {
    const { apiKey } = api.account.books.credentials;
    expect((await api.call("GET", "devices")).status).toBe(200);
    expect((await api.call("GET", "devices", undefined, { authorization: `Bearer ${apiKey}` })).status).toBe(
      200,
    );
    const refused = await api.call("GET", "devices", undefined, { authorization: `Bearer ${apiKey}x` });
    expect([refused.status, refused.json]).toEqual([401, { message: "API token invalid" }]);
    expect((await api.call("GET", "devices", undefined, { authorization: "" })).status).toBe(401);
  });

  it("is an OAuth client with a token, for an hour, also of a daemon that was started again", async () => {
    const { oauthClientId: client_id, oauthClientSecret: client_secret } = api.account.books.credentials;
    const form = (more: Record<string, string>) =>
      new URLSearchParams({ client_id, client_secret, grant_type: "client_credentials", ...more }).toString();
    const token = (await api.call("POST", "/oauth/token", form({}), { authorization: "" })).json;
    expect(token).toMatchObject({ token_type: "Bearer", expires_in: 3600 });
    const authorization = `Bearer ${String(field(token, "access_token"))}`;
    await api.open();
    expect((await api.call("GET", "devices", undefined, { authorization })).status).toBe(200);
    await api.call("POST", "acl", tagged("tag:a"));
    const bare = await api.call("POST", "keys", order(), { authorization });
    expect([bare.status, field(bare.json, "message")]).toEqual([
      400,
      "keys made by an OAuth client must have tags",
    ]);
    const made = await api.call("POST", "keys", order({ tags: ["tag:a"] }), { authorization });
    expect(field(made.json, "userId")).toBe("");
    api.now += 3601_000;
    expect((await api.call("GET", "devices", undefined, { authorization })).status).toBe(401);

    const basic = `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString("base64")}`;
    const scoped = "grant_type=client_credentials&scope=devices:core";
    expect((await api.call("POST", "/oauth/token", scoped, { authorization: basic })).status).toBe(200);
    const unknown = await api.call("POST", "/oauth/token", form({ scope: "users" }), { authorization: "" });
    expect(unknown.status).toBe(400);
    const wrong = form({ client_secret: "x" });
    expect((await api.call("POST", "/oauth/token", wrong, { authorization: "" })).status).toBe(401);
  });
});

describe("what it does not know", () => {
  it("is an error", async () => {
    for (const [method, path] of [
      ["GET", "users"],
      ["GET", "dns/nameservers"],
      ["PUT", "acl"],
      ["GET", "/device/1/routes"],
      ["GET", "/whoami"],
    ] as const) {
      expect([path, (await api.call(method, path)).status]).toEqual([path, 404]);
    }
    expect((await fetch(`${api.url}/machine/register`)).status).toBe(404);
    expect((await api.call("GET", `/tailnet/${DOMAIN}/devices`)).status).toBe(200);
    expect((await api.call("GET", "/tailnet/other.ts.net/devices")).status).toBe(404);
    expect((await api.call("GET", "devices?page=2")).status).toBe(400);
    const field = await api.call("POST", "keys", { ...order(), expires: 1 });
    expect([field.status, field.json]).toEqual([400, { message: 'json: unknown field "expires"' }]);
    expect((await api.call("POST", "keys", "{")).status).toBe(400);
  });
});

describe("login keys", () => {
  it("live from the order to the login of the device", async () => {
    await api.call("POST", "acl", tagged("tag:x-agent"));
    const wanted = order(
      { preauthorized: true, tags: ["tag:x-agent"] },
      { expirySeconds: 3600, description: "a node" },
    );
    const made = (await api.call("POST", "keys", wanted)).json as Record<string, unknown>;
    expect(made).toEqual({
      id: expect.stringMatching(/^k[0-9a-f]+CNTRL$/) as string,
      key: expect.stringMatching(/^hskey-auth-/) as string,
      keyType: "auth",
      description: "a node",
      expirySeconds: 3600,
      created: "2026-11-21T12:00:00Z",
      expires: "2026-11-21T13:00:00Z",
      invalid: false,
      capabilities: {
        devices: {
          create: { reusable: false, ephemeral: false, preauthorized: true, tags: ["tag:x-agent"] },
        },
      },
      userId: api.account.books.userId,
    });
    const { key, ...rest } = made;
    const path = `keys/${String(made["id"])}`;
    expect((await api.call("GET", path)).json).toEqual(rest);
    expect((await api.call("GET", "keys")).json).toEqual({
      keys: [{ id: made["id"], keyType: "auth", description: "a node" }],
    });
    expect(await readFile(join(api.folder, "tailscale.json"), "utf8")).not.toContain(String(key));

    const device = api.control.login(String(key), "x-agent-1");
    expect((await api.call("GET", path)).status).toBe(404);
    expect((await api.call("DELETE", path)).status).toBe(404);
    const devices = (await api.call("GET", "devices")).json as { devices: Record<string, unknown>[] };
    expect(devices.devices[0]).toMatchObject({
      name: `x-agent-1.${DOMAIN}`,
      hostname: "x-agent-1",
      tags: ["tag:x-agent"],
      nodeId: device.id,
      connectedToControl: true,
      user: ACCOUNT_USER,
    });
    expect((await api.call("GET", `/device/${device.id}?fields=all`)).status).toBe(200);
    expect((await api.call("DELETE", `/device/${device.id}`)).status).toBe(200);
    const gone = await api.call("DELETE", `/device/${device.id}`);
    expect([gone.status, field(gone.json, "message")]).toEqual([
      404,
      "no manageable device matching nodeid found",
    ]);
  });

  it("are invalid when they are revoked or over", async () => {
    const revoked = field((await api.call("POST", "keys", order({ reusable: true }))).json, "id");
    expect((await api.call("DELETE", `keys/${String(revoked)}`)).status).toBe(200);
    expect((await api.call("GET", `keys/${String(revoked)}`)).json).toMatchObject({
      invalid: true,
      revoked: "2026-11-21T12:00:00Z",
    });
    expect((await api.call("DELETE", `keys/${String(revoked)}`)).status).toBe(404);
    const over = (await api.call("POST", "keys", order({}, { expirySeconds: 0 }))).json;
    expect(field(over, "expirySeconds")).toBe(90 * 24 * 3600);
    api.now += 91 * 24 * 3600_000;
    expect((await api.call("GET", `keys/${String(field(over, "id"))}`)).json).toMatchObject({
      invalid: true,
    });
    expect((await api.call("GET", "keys")).json).toEqual({ keys: [] });
    expect((await api.call("GET", "keys/kunknownCNTRL")).status).toBe(404);
  });

  it("follow Tailscale's rules", async () => {
    const refused = async (body: unknown): Promise<string> => {
      const answer = await api.call("POST", "keys", body);
      return `${String(answer.status)} ${String(field(answer.json, "message"))}`;
    };
    expect(await refused(order({ tags: ["tag:a", "tag:b"] }))).toBe(
      "400 requested tags [tag:a tag:b] are invalid or not permitted",
    );
    expect(await refused(order({}, { description: "x".repeat(51) }))).toContain("400 description");
    expect(await refused(order({}, { description: "a/b" }))).toContain("400 description");
    expect(await refused(order({}, { expirySeconds: 91 * 24 * 3600 }))).toContain("400 expirySeconds");
    expect(await refused({})).toContain("400 capabilities");
    // As Go's client writes it.
    expect((await api.call("POST", "keys", order({ tags: null }))).status).toBe(200);
  });
});

describe("the policy", () => {
  it("is Tailscale's default at first, and overwritten by nobody who says so", async () => {
    const first = await api.call("GET", "acl");
    expect(first.headers.get("content-type")).toBe("application/hujson");
    expect(first.text).toContain("// Example/default ACLs for unrestricted connections.");
    const json = await api.call("GET", "acl", undefined, { accept: "application/json" });
    expect(json.json).toMatchObject({ grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }] });
    expect(json.headers.get("etag")).toBe(first.headers.get("etag"));

    const untouched = { "if-match": '"ts-default"' };
    const set = await api.call("POST", "acl", tagged("tag:a"), untouched);
    expect([set.status, set.text]).toEqual([200, tagged("tag:a")]);
    const again = await api.call("POST", "acl", tagged("tag:b"), untouched);
    expect([again.status, again.json]).toEqual([412, { message: "precondition failed, invalid old hash" }]);
    const former = { "if-match": first.headers.get("etag") ?? "" };
    expect((await api.call("POST", "acl", tagged("tag:b"), former)).status).toBe(412);
    const current = { "if-match": set.headers.get("etag") ?? "" };
    expect((await api.call("POST", "acl", tagged("tag:b"), current)).status).toBe(200);
    expect(api.control.policy).toMatchObject({ tagOwners: { "tag:b": [ACCOUNT_USER] } });

    await api.open();
    expect((await api.call("GET", "acl")).text).toBe(tagged("tag:b"));
    expect((await api.call("POST", "acl", "")).status).toBe(200);
    expect((await api.call("GET", "acl")).headers.get("etag")).toBe(first.headers.get("etag"));
    expect((await api.call("POST", "acl", tagged("tag:a"), untouched)).status).toBe(200);
  });

  it("is refused with a failing test, and the former one stays", async () => {
    const bad = tagged("tag:a", { tests: [{ src: "tag:a", proto: "tcp", accept: ["tag:a:22"] }] });
    const refused = await api.call("POST", "acl", bad);
    const body = {
      message: "test(s) failed",
      data: [{ user: "tag:a", errors: ['address "tag:a:22": want: Accept, got: Drop'] }],
    };
    expect([refused.status, refused.json]).toEqual([400, body]);
    expect(api.control.policies).toEqual([]);
    const checked = await api.call("POST", "acl/validate", bad);
    expect([checked.status, checked.json]).toEqual([200, body]);
    expect((await api.call("POST", "acl/validate", tagged("tag:a"))).json).toEqual({});
    expect((await api.call("GET", "acl")).text).toContain("// Example/default");

    const tests = [{ src: "someone@example.com", deny: ["100.64.0.1:22"] }];
    expect((await api.call("POST", "acl/validate", tests)).json).toMatchObject({ message: "test(s) failed" });
    expect((await api.call("POST", "acl/validate", [{ ...tests[0], user: "x" }])).json).toHaveProperty(
      "message",
    );
  });

  it("is refused when the control server refuses it", async () => {
    api.control.refusal = "setting ACL policy: no";
    const refused = await api.call("POST", "acl", tagged("tag:a"));
    expect([refused.status, refused.json]).toEqual([400, { message: "setting ACL policy: no" }]);
    expect((await api.call("GET", "acl")).text).toContain("// Example/default");
  });
});

describe("DNS preferences", () => {
  it("reach the control server when they change", async () => {
    expect((await api.call("GET", "dns/preferences")).json).toEqual({ magicDNS: true });
    expect((await api.call("POST", "dns/preferences", { magicDNS: true })).json).toEqual({ magicDNS: true });
    expect((await api.call("POST", "dns/preferences", { magicDNS: false })).json).toEqual({
      magicDNS: false,
    });
    expect((await api.call("POST", "dns/preferences", { magicDns: true })).status).toBe(400);
    expect(api.magicDns).toEqual([false]);
    await api.open();
    expect((await api.call("GET", "dns/preferences")).json).toEqual({ magicDNS: false });
  });
});

describe("the account", () => {
  it("keeps its credentials for its owner alone", async () => {
    const before = api.account.books.credentials;
    await api.open();
    expect(api.account.books.credentials).toEqual(before);
    expect((await stat(join(api.folder, "tailscale.json"))).mode & 0o777).toBe(0o600);
  });

  it("has the faults it is told to have", async () => {
    await api.faults.add(
      { operation: "POST keys", error: "503" },
      { operation: "DELETE device", error: "429" },
    );
    expect((await api.call("POST", "keys", order())).status).toBe(503);
    expect((await api.call("POST", "keys", order())).status).toBe(200);
    expect((await api.call("DELETE", "/device/1")).status).toBe(429);
    expect((await api.call("DELETE", "/device/1")).status).toBe(404);
  });
});
