/** The client of Tailscale's HTTP API, against a server on this machine. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TailscaleHttpApi } from "../../provider/effects/tailscale-api.ts";
import { FakeTailscaleApi } from "./fake-tailscale-api.ts";
import { FakeClock } from "./harness.ts";

let server: FakeTailscaleApi;
let clock: FakeClock;
const client = (environment: Record<string, string>): TailscaleHttpApi =>
  new TailscaleHttpApi(clock, environment);
beforeEach(async () => {
  clock = new FakeClock();
  server = new FakeTailscaleApi();
  await server.start();
  server.device("ci-agent-1", "tag:ci-agent", "100.64.0.2");
});
afterEach(() => {
  server.stop();
});

describe("the devices of a tailnet", () => {
  it("are listed with an API key, once for all who ask within a second", async () => {
    const api = client(server.withKey);
    const [devices] = await Promise.all([api.devices("-"), api.devices("-")]);
    expect(devices).toEqual([
      {
        id: "n1CNTRL",
        hostName: "ci-agent-1",
        givenName: "ci-agent-1",
        tags: ["tag:ci-agent"],
        addresses: ["100.64.0.2", "fd7a:115c:a1e0::1"],
        online: true,
      },
    ]);
    expect(server.requests).toEqual(["GET /api/v2/tailnet/-/devices"]);
    clock.time += 1001;
    await api.devices("-");
    expect(server.requests).toHaveLength(2);
  });

  it("are listed anew after a removal, which succeeds when there is none", async () => {
    const api = client(server.withKey);
    await api.devices("-");
    await api.removeDevice("-", "n1CNTRL");
    expect(await api.devices("-")).toEqual([]);
    await api.removeDevice("-", "n1CNTRL");
    expect(server.requests.filter((request) => request.startsWith("DELETE"))).toEqual([
      "DELETE /api/v2/device/n1CNTRL",
      "DELETE /api/v2/device/n1CNTRL",
    ]);
  });

  it("are listed with a token that is made once in its life", async () => {
    const api = client(server.withClient);
    expect(await api.devices("-")).toHaveLength(1);
    await api.removeDevice("-", "n1CNTRL");
    expect(server.tokens).toBe(1);
    clock.time += 3540 * 1000;
    await api.devices("-");
    expect(server.tokens).toBe(2);
  });

  it("are those of the tailnet that is named, else of TAILSCALE_TAILNET", async () => {
    await client({ ...server.withKey, TAILSCALE_TAILNET: "example.com" }).devices("-");
    await client({ ...server.withKey, TAILSCALE_TAILNET: "other.com" }).devices("example.com");
    expect(server.requests).toEqual([
      "GET /api/v2/tailnet/example.com/devices",
      "GET /api/v2/tailnet/example.com/devices",
    ]);
    await expect(client(server.withKey).devices("other.com")).rejects.toThrow(
      'the tailnet must be one that the credentials are for, got "other.com" (HTTP 404, not found)',
    );
  });
});

describe("the policy of a tailnet", () => {
  it("is read as it was written", async () => {
    server.policy = "// Somebody's.\n{}\n";
    expect(await client(server.withClient).policy("-")).toBe("// Somebody's.\n{}\n");
  });

  it("is not known where the API does not answer, or knows no such tailnet", async () => {
    server.trouble = [503, 503, 503, 503].map((status) => ({ status }));
    expect(await client(server.withKey).policy("-")).toBeUndefined();
    expect(await client(server.withKey).policy("other.com")).toBeUndefined();
  });
});

describe("credentials", () => {
  it.each([
    [{}, "found none of them"],
    [{ TAILSCALE_OAUTH_CLIENT_ID: "k" }, "found no secret"],
    [{ TAILSCALE_OAUTH_CLIENT_SECRET: "s" }, "found no id"],
  ])("%o are asked for by the names of their variables", async (environment, found) => {
    await expect(client(environment).devices("-")).rejects.toThrow(
      "`TAILSCALE_API_KEY`, or `TAILSCALE_OAUTH_CLIENT_ID` and `TAILSCALE_OAUTH_CLIENT_SECRET`, must be set to manage " +
        `the tailnet's devices, ${found}`,
    );
  });

  it("that are refused are named, with the scope that is needed and not with their value", async () => {
    const wrongKey = client({ ...server.withKey, TAILSCALE_API_KEY: "tskey-wrong" }).devices("-");
    await expect(wrongKey).rejects.toThrow(
      "`TAILSCALE_API_KEY` must be valid and have the scope devices:core, was refused by " +
        `${server.url}/api/v2/tailnet/-/devices (HTTP 401, API token invalid)`,
    );
    await expect(wrongKey).rejects.not.toThrow("tskey-wrong");
    const wrongSecret = { ...server.withClient, TAILSCALE_OAUTH_CLIENT_SECRET: "tskey-wrong" };
    await expect(client(wrongSecret).devices("-")).rejects.toThrow(
      "must be of an OAuth client with the scope devices:core",
    );
    server.trouble = [{ status: 403, body: '{"message":"calling actor does not have enough permissions"}' }];
    await expect(client(server.withKey).removeDevice("-", "n1CNTRL")).rejects.toThrow("enough permissions");
    await expect(client({ ...server.withKey, TAILSCALE_BASE_URL: "nowhere" }).devices("-")).rejects.toThrow(
      '`TAILSCALE_BASE_URL` must be a URL, got "nowhere"',
    );
  });
});

describe("an API that cannot answer now", () => {
  it("is asked again, no sooner than it says", async () => {
    const begun = clock.now();
    server.trouble = [
      { status: 429, headers: { "retry-after": "2" } },
      { status: 502, body: "<html>" },
    ];
    expect(await client(server.withKey).devices("-")).toHaveLength(1);
    expect(clock.now() - begun).toBe(2000 + 900);
  });

  it("says nothing about devices, and fails a removal, after some attempts", async () => {
    const busy = { status: 503, body: '{"message":"try later"}' };
    server.trouble = Array.from({ length: 8 }, () => busy);
    const api = client(server.withKey);
    expect(await api.devices("-")).toBeUndefined();
    expect(server.requests).toHaveLength(4);
    await expect(api.removeDevice("-", "n1CNTRL")).rejects.toThrow(
      `Tailscale's API at ${server.url} does not answer (HTTP 503, try later)`,
    );
    server.trouble = [{ status: 429, headers: { "retry-after": "600" } }];
    expect(await api.devices("-")).toBeUndefined();
  });

  it("may be out of reach", async () => {
    const { url, withKey } = server;
    server.stop();
    const api = client(withKey);
    expect(await api.devices("-")).toBeUndefined();
    await expect(api.removeDevice("-", "n1CNTRL")).rejects.toThrow(`${url} does not answer`);
    await expect(api.removeDevice("-", "n1CNTRL")).rejects.toThrow("ECONNREFUSED");
  });
});
