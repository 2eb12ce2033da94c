import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderHeadscalePolicy } from "../../components/render/headscale-policy.ts";
import { renderTailscalePolicy, type TailscalePolicy } from "../../components/render/tailscale-policy.ts";

const sample: TailscalePolicy = {
  clusterName: "prod",
  tagOwners: ["autogroup:admin"],
  admins: ["autogroup:admin", "group:ops", "alice@example.com"],
  metricsServer: true,
};

interface Policy {
  readonly hosts: Readonly<Record<string, string>>;
  readonly tagOwners: Readonly<Record<string, string[]>>;
  readonly grants: readonly { readonly src: string[]; readonly dst: string[]; readonly ip: string[] }[];
  readonly ssh: readonly unknown[];
  readonly tests: readonly {
    readonly src: string;
    readonly proto: string;
    readonly accept?: string[];
    readonly deny?: string[];
  }[];
}

/** The policy's comments are whole lines, and a comma may follow the last member. */
const read = (hujson: string): Policy =>
  JSON.parse(hujson.replace(/^\s*\/\/.*$/gm, "").replace(/,(\s*[\]}])/g, "$1")) as Policy;

const policyOf = (changes: Partial<TailscalePolicy> = {}): Policy =>
  read(renderTailscalePolicy({ ...sample, ...changes }));

const open = ({ grants }: Pick<Policy, "grants">): Set<string> =>
  new Set(
    grants.flatMap(({ src, dst, ip }) =>
      src.flatMap((from) => dst.flatMap((to) => ip.map((it) => `${from} ${to} ${it}`))),
    ),
  );

const [server, agent, operator] = ["tag:prod-server", "tag:prod-agent", "tag:prod-operator"];

test("golden", async () => {
  await expect(renderTailscalePolicy(sample)).toMatchFileSnapshot("golden/tailscale-policy.hujson");
});

test("between nodes it opens what Headscale's opens, and nothing else", () => {
  const facts = { clusterName: "prod", metricsServer: true };
  const nodes = open(read(renderHeadscalePolicy({ ...facts, user: "homespan", tests: "populated" })));
  const all = open(policyOf());
  expect(new Set([...all].filter((it) => /^tag:prod-(server|agent) /.test(it)))).toEqual(nodes);
});

test("administrators and the operator reach the API and SSH, and nothing else", () => {
  for (const who of [...sample.admins, operator]) {
    expect([...open(policyOf())].filter((it) => it.startsWith(`${who} `)).sort()).toEqual(
      [`${who} ${agent} tcp:22`, `${who} ${server} tcp:22`, `${who} ${server} tcp:6443`].sort(),
    );
  }
});

test("nobody else is granted anything, and nobody reaches the operator", () => {
  const known = new Set<string>([server, agent, operator, ...sample.admins]);
  for (const { src, dst } of policyOf().grants) {
    expect(src.filter((it) => !known.has(it))).toEqual([]);
    expect(dst.filter((it) => it !== server && it !== agent)).toEqual([]);
  }
});

test("all tags have the same owners, and Tailscale's own SSH is closed", () => {
  const owners = ["group:ops"];
  const { tagOwners, ssh } = policyOf({ tagOwners: owners });
  expect(tagOwners).toEqual({ [server]: owners, [agent]: owners, [operator]: owners });
  expect(ssh).toEqual([]);
});

describe("the tests in it", () => {
  /** What the grants say of one connection. */
  const granted = ({ grants, hosts }: Policy, src: string, proto: string, target: string): boolean => {
    const [, to = "", port = ""] = /^(.*):(\d+)$/.exec(target) ?? [];
    return open({ grants }).has(`${hosts[src] ?? src} ${to} ${proto}:${port}`);
  };

  test.each([true, false])("hold of the grants, with metrics-server %j", (metricsServer) => {
    const policy = policyOf({ metricsServer });
    for (const { src, proto, accept = [], deny = [] } of policy.tests) {
      for (const target of accept)
        expect([src, target, granted(policy, src, proto, target)]).toEqual([src, target, true]);
      for (const target of deny)
        expect([src, target, granted(policy, src, proto, target)]).toEqual([src, target, false]);
    }
  });

  test("ask for everyone it can ask for, and for an address that is nobody's", () => {
    const { tests, hosts } = policyOf();
    expect(new Set(tests.map(({ src }) => src))).toEqual(
      new Set([server, agent, operator, "group:ops", "alice@example.com", "prod-stranger"]),
    );
    expect(hosts).toEqual({ "prod-stranger": "100.127.255.254" });
    const stranger = tests.filter(({ src }) => src === "prod-stranger");
    expect(stranger.flatMap(({ accept = [] }) => accept)).toEqual([]);
    expect(stranger.flatMap(({ deny = [] }) => deny)).toContain(`${server}:6443`);
  });
});

test("whatever a name holds, it stays a name", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 })), (admins) => {
      // A line that begins like a comment would be taken out by this test's reader, not by Tailscale's.
      const policy = JSON.stringify(renderTailscalePolicy({ ...sample, admins }));
      for (const admin of admins)
        expect(policy).toContain(JSON.stringify(JSON.stringify(admin)).slice(1, -1));
    }),
  );
});
