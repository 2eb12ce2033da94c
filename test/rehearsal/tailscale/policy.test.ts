/** Policy files: their form, their tests, and what Headscale gets of them. */
import { describe, expect, it } from "vitest";
import { renderTailscalePolicy } from "../../../components/render/tailscale-policy.ts";
import { ACCOUNT_USER } from "../../../rehearsal/clouds/tailscale/account.ts";
import { parseHujson, sameHujson } from "../../../rehearsal/clouds/tailscale/hujson.ts";
import { DEFAULT_POLICY, forHeadscale, parsePolicy } from "../../../rehearsal/clouds/tailscale/policy.ts";
import { failedTests } from "../../../rehearsal/clouds/tailscale/policy-tests.ts";

const failures = (
  rules: Readonly<Record<string, unknown>>,
  tests: readonly Readonly<Record<string, unknown>>[],
  devices: readonly { tags: string[]; addresses: string[] }[] = [],
) => {
  const policy = parsePolicy(JSON.stringify({ ...rules, tests }));
  return failedTests(policy, policy.tests ?? [], devices, ACCOUNT_USER);
};

describe("HuJSON", () => {
  it("has comments and trailing commas, and neither inside strings", () => {
    expect(parseHujson('// a\n{"a": [1, 2,], /* b\n */ "b": "// no, ] /* comment",}\n')).toEqual({
      a: [1, 2],
      b: "// no, ] /* comment",
    });
  });

  it("says where it is wrong", () => {
    expect(() => parseHujson('{\n  "a": [1,,]\n}')).toThrow("Unexpected token ']'");
    expect(() => parseHujson('{\n  "a" 1\n}')).toThrow("line 2, column 7");
    expect(() => parseHujson('{"a": "open\n}')).toThrow("line 1, column 7");
    expect(() => parseHujson("")).toThrow("Unexpected end");
  });

  it("is the same whatever its layout, and another with another comment", () => {
    expect(sameHujson('{"a":[1,2]}', '{\n  "a": [\n    1,\n    2,\n  ],\n}\n')).toBe(true);
    expect(sameHujson('{"a": 1} // x', '{"a": 1} // y')).toBe(false);
    expect(sameHujson('{"a": 1}', '{"a": "1"}')).toBe(false);
    expect(sameHujson('{"a": ', '{"a":  ')).toBe(false);
  });
});

describe("a policy file", () => {
  it("is refused for what Tailscale does not know, what a rehearsal has not, and names that are nowhere defined", () => {
    const refused = (policy: unknown): string => {
      try {
        parsePolicy(typeof policy === "string" ? policy : JSON.stringify(policy));
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refused({ tagOwner: {} })).toBe('unknown field "tagOwner"');
    expect(refused({ grants: [{ src: ["*"], dst: ["*"], port: ["*"] }] })).toBe(
      'unknown field "grants.0.port"',
    );
    expect(refused({ postures: {} })).toBe("a rehearsed tailnet has no postures");
    expect(refused({ grants: [{ src: ["tag:a"], dst: ["*"], ip: ["*"] }] })).toBe('tag not found: "tag:a"');
    expect(refused({ acls: [{ action: "accept", src: ["group:a"], dst: ["*:*"] }] })).toBe(
      'group not found: "group:a"',
    );
    expect(refused({ tests: [{ src: "100.64.0.1", deny: ["100.64.0.2:22"] }] })).toContain("src of a test");
    expect(refused({ tests: [{ src: "autogroup:admin", deny: ["100.64.0.2:22"] }] })).toContain(
      "src of a test",
    );
    expect(refused({ tests: [{ src: "a@example.com", deny: ["100.64.0.0/10:22"] }] })).toContain(
      "one host and port",
    );
    expect(refused({ tests: [{ src: "a@example.com" }] })).toContain("must have accept or deny");
    expect(refused("{")).toContain("invalid HuJSON");
    expect(refused({ disableIPv4: true, randomizeClientPort: true })).toBe("");
    expect(refused(DEFAULT_POLICY)).toBe("");
  });

  it("is tested by names, with no device in the tailnet", () => {
    const rules = {
      groups: { "group:ops": ["alice@example.com"] },
      hosts: { stranger: "100.127.255.254", web: "100.64.0.9" },
      tagOwners: { "tag:a": [], "tag:b": [] },
      grants: [
        { src: ["tag:a"], dst: ["tag:b"], ip: ["tcp:6443", "udp:8472", "icmp:*"] },
        { src: ["group:ops", "autogroup:admin"], dst: ["tag:b"], ip: ["20-30"] },
      ],
      acls: [{ action: "accept", src: ["tag:b"], dst: ["web:80,443"], proto: "tcp" }],
    };
    expect(
      failures(rules, [
        {
          src: "tag:a",
          proto: "tcp",
          accept: ["tag:b:6443"],
          deny: ["tag:b:22", "tag:a:6443", "tag:b:8472"],
        },
        { src: "tag:a", proto: "udp", accept: ["tag:b:8472"], deny: ["tag:b:6443"] },
        { src: "tag:a", accept: ["tag:b:8472"] },
        { src: "tag:b", proto: "tcp", accept: ["web:443", "100.64.0.9:80"], deny: ["web:22"] },
        { src: "alice@example.com", accept: ["tag:b:22"], deny: ["tag:b:31"] },
        { src: "bob@example.com", deny: ["tag:b:22"] },
        { src: ACCOUNT_USER, accept: ["tag:b:22"] },
        { src: "group:ops", accept: ["tag:b:22"] },
        { src: "stranger", proto: "tcp", deny: ["tag:b:6443", "web:80"] },
      ]),
    ).toEqual([]);
    expect(
      failures(rules, [{ src: "tag:a", proto: "tcp", accept: ["tag:b:22"], deny: ["tag:b:6443"] }]),
    ).toEqual([
      {
        user: "tag:a",
        errors: [
          'address "tag:b:22": want: Accept, got: Drop',
          'address "tag:b:6443": want: Drop, got: Accept',
        ],
      },
    ]);
  });

  it("knows the tags of a device by its address", () => {
    const rules = {
      hosts: { one: "100.64.0.1", all: "100.64.0.0/24" },
      tagOwners: { "tag:a": [], "tag:b": [] },
      grants: [{ src: ["tag:a"], dst: ["all"], ip: ["22"] }],
    };
    const devices = [
      { tags: ["tag:a"], addresses: ["100.64.0.1"] },
      { tags: ["tag:b"], addresses: ["100.64.0.2"] },
    ];
    expect(failures(rules, [{ src: "one", accept: ["tag:b:22"] }], devices)).toEqual([]);
    expect(failures(rules, [{ src: "one", accept: ["tag:b:22"] }])).not.toEqual([]);
  });

  it("of Homespan's own with routes to pods passes its tests too, and Headscale gets its approvers", () => {
    const text = renderTailscalePolicy({
      ...{ clusterName: "x", metricsServer: false, podRoutes: { podCidr: "10.42.0.0/16" } },
      ...{ tagOwners: ["autogroup:admin"], admins: ["alice@example.com"] },
    });
    const policy = parsePolicy(text);
    expect(failedTests(policy, policy.tests ?? [], [], ACCOUNT_USER)).toEqual([]);
    const handed = JSON.parse(forHeadscale(policy, [], ACCOUNT_USER)) as { autoApprovers: unknown };
    expect(handed.autoApprovers).toEqual({ routes: { "10.42.0.0/16": ["tag:x-server", "tag:x-agent"] } });
  });

  it("of Homespan's own passes its tests in an empty tailnet", () => {
    const text = renderTailscalePolicy({
      clusterName: "x",
      metricsServer: false,
      tagOwners: ["autogroup:admin"],
      admins: ["autogroup:admin", "alice@example.com"],
    });
    const policy = parsePolicy(text);
    expect(policy.tests?.length).toBeGreaterThan(5);
    expect(failedTests(policy, policy.tests ?? [], [], ACCOUNT_USER)).toEqual([]);

    const handed = JSON.parse(forHeadscale(policy, [], ACCOUNT_USER)) as Record<
      string,
      Record<string, unknown>
    >;
    expect(handed["tagOwners"]?.["tag:x-server"]).toEqual([ACCOUNT_USER]);
    expect(JSON.stringify(handed)).not.toContain("autogroup:admin");
    expect(handed["tests"]).toEqual([]);
    const devices = [
      { tags: ["tag:x-server"], addresses: ["100.64.0.1"] },
      { tags: ["tag:x-agent"], addresses: ["100.64.0.2"] },
    ];
    const known = JSON.parse(forHeadscale(policy, devices, ACCOUNT_USER)) as { tests: { src: string }[] };
    expect([...new Set(known.tests.map(({ src }) => src))]).toEqual([
      "tag:x-agent",
      "tag:x-server",
      "x-stranger",
    ]);
  });
});
