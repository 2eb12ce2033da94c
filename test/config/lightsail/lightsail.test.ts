import { readdirSync, readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { contains, formatNetwork, parseNetwork } from "../../../stacks/cidr.ts";
import { isCronSchedule } from "../../../stacks/cron.ts";
import { formatProblem } from "../../../stacks/grammar.ts";
import { checkLightsailConfig, lightsailConfig } from "../../../stacks/lightsail-config.ts";
import { formatWarning } from "../../../stacks/warnings.ts";

type Values = Record<string, string>;

const fixtures = (kind: string): string[] => readdirSync(new URL(kind, import.meta.url)).sort();
const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

/** A stack file's configuration as Pulumi hands it to a program: text, with objects and lists as JSON. */
function handedOver(text: string): Record<string, string | null> {
  const { config } = parse(text) as { config: Record<string, unknown> };
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key.replace(/^homespan:/, ""),
      typeof value === "string" || value === null ? value : JSON.stringify(value),
    ]),
  );
}

const present = (values: Record<string, string | null>): Values =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== null));

const check = (values: Values): ReturnType<typeof checkLightsailConfig> =>
  checkLightsailConfig({ stackName: "prod", values });

const smallest = handedOver(textOf("valid/smallest.yaml"));
const over = (values: Record<string, string | null>): Values => present({ ...smallest, ...values });
const servers = (...bundleIds: string[]): Values => ({
  servers: JSON.stringify(bundleIds.map((bundleId) => ({ bundleId }))),
});
const warnings = (values: Values): string[] => check(values).warnings.map(formatWarning);

describe("valid", () => {
  test.each(fixtures("valid"))("%s", (file) => {
    expect(check(present(handedOver(textOf(`valid/${file}`)))).problems).toEqual([]);
  });

  test("the stack file of the project itself, without a warning", () => {
    const { problems, warnings } = check(present(handedOver(textOf("../../../Pulumi.lightsail.yaml"))));
    expect({ problems, warnings }).toEqual({ problems: [], warnings: [] });
  });

  /** Every commented block by itself: variants of one key exclude each other. */
  const committed = textOf("../../../Pulumi.lightsail.yaml");
  const blocks = committed.match(/(?:^ {2}# (?:homespan:| {2,}).*\n)+/gm) ?? [];
  test.each(blocks.map((block) => [block.split("\n")[0] ?? "", block]))(
    "commented out: %s",
    (_title, block) => {
      const values = handedOver(`config:\n${block.replace(/^ {2}# /gm, "  ")}`);
      const { problems } = check(present({ ...handedOver(committed), ...values }));
      expect(problems.map(formatProblem)).toEqual([]);
    },
  );

  test("every key is in it, set or commented out", async () => {
    const { lightsailFields } = await import("../../../stacks/lightsail-schema.ts");
    expect(blocks.length).toBeGreaterThan(10);
    for (const key of Object.keys(lightsailFields)) expect(committed).toMatch(new RegExp(`homespan:${key}:`));
  });
});

describe("invalid: the first line names the rule and its message, and it is the only one", () => {
  test.each(fixtures("invalid"))("%s", (file) => {
    const text = textOf(`invalid/${file}`);
    const [, rule, message] = /^# ([a-z0-9-]+): (.*)$/m.exec(text) ?? [];
    expect(rule).toBe(file.replace(/\.yaml$/, ""));
    const { config, problems } = check(over(handedOver(text)));
    expect(problems.map(formatProblem)).toEqual([message]);
    expect(config).toBeUndefined();
  });
});

test("all problems are told at once, in one error without a stack trace", () => {
  const files = ["region", "cluster-name", "ssh-host-bits", "tailnet-kind", "server-memory"].map((file) =>
    textOf(`invalid/${file}.yaml`),
  );
  const values = over(Object.assign({}, ...files.map(handedOver)) as Values);
  expect(() => lightsailConfig({ stackName: "prod", values })).toThrow(pulumi.RunError);
  const said = check(values).problems.map(formatProblem);
  expect(said.sort()).toEqual(
    files.map((text) => (text.split("\n")[0] ?? "").replace(/^# [a-z0-9-]+: /, "")).sort(),
  );
});

describe("defaults", () => {
  test("of the smallest configuration", () => {
    expect(check(over({})).config).toEqual({
      clusterName: "prod",
      region: "eu-central-1",
      servers: [
        {
          name: "server-1",
          role: "server",
          bundleId: "medium_3_0",
          blueprintId: "debian_12",
          availabilityZone: "eu-central-1a",
          labels: {},
          taints: [],
          kubeletArgs: [],
        },
      ],
      agents: [],
      home: { nodes: [], libvirtHosts: {}, flatcar: undefined, mac: undefined },
      sshAllowedCidrs: ["203.0.113.7/32"],
      ingress: false,
      extraPorts: [],
      k3sVersion: "v1.35.1+k3s1",
      tailnet: {
        kind: "tailscale",
        domain: "tail0a1b2c.ts.net",
        tagOwners: ["autogroup:admin"],
        admins: ["autogroup:admin"],
        adopt: false,
        policy: "own",
      },
      snapshots: {
        ...{ schedule: "0 */12 * * *", keep: 5 },
        bucket: { kind: "lightsail", bundleId: "small_1_0" },
      },
      podSecurity: { enforce: "restricted", exemptNamespaces: [] },
      auditLog: { maxAgeDays: 30, maxBackups: 10, maxSizeMiB: 100 },
      disable: ["traefik", "servicelb"],
      podNetwork: "vxlan",
      registryMirrors: {},
      extraConfig: { server: {}, agent: {} },
    });
  });

  test("of an agent on a machine that exists already; its name counts all agents", () => {
    const { config } = check(
      over({ agents: '[{"bundleId":"micro_3_0"},{"existing":{"address":"192.168.1.20","site":"home"}}]' }),
    );
    expect(config?.agents.map(({ name }) => name)).toEqual(["agent-1"]);
    expect(config?.home.nodes).toEqual([
      {
        name: "agent-2",
        role: "agent",
        existing: { address: "192.168.1.20", port: 22, user: "root", site: "home", firewall: "cluster" },
        labels: {},
        taints: [],
        kubeletArgs: [],
      },
    ]);
  });

  test("follow from other keys", () => {
    const { config } = check(
      over({
        ingress: "true",
        availabilityZone: "eu-central-1c",
        agents: '[{"bundleId":"micro_3_0"}]',
        extraPorts: '[{"fromPort":30000,"protocol":"tcp"}]',
      }),
    );
    expect(config).toMatchObject({
      disable: [],
      agents: [{ name: "agent-1", role: "agent", availabilityZone: "eu-central-1c" }],
      extraPorts: [{ fromPort: 30000, toPort: 30000, cidrs: ["0.0.0.0/0"] }],
    });
  });
});

describe("warnings", () => {
  test("two servers survive no loss", () => {
    expect(warnings(over(servers("large_3_0", "xlarge_3_0")))).toEqual([
      "`servers`: two servers survive no loss: etcd answers only while both run, so either failing stops the API; " +
        "three is the smallest number that survives one loss",
    ]);
  });

  test("three servers in one zone", () => {
    expect(warnings(over(servers("small_3_0", "small_3_0", "small_3_0")))).toEqual([
      "`servers`: all 3 stand in eu-central-1a: its failure stops the API; give them zones of their own",
    ]);
  });

  test("a bundle of the previous generation", () => {
    expect(warnings(over(servers("medium_2_0")))).toEqual([
      "`servers[0].bundleId`: medium_2_0 is of the generation before 29 June 2023, which Lightsail may refuse for a " +
        "new instance; medium_3_0 costs the same",
    ]);
  });

  test("a region whose bundles are not known", () => {
    expect(warnings(present(handedOver(textOf("valid/other-regions.yaml"))))).toEqual([
      "`region`: which ids bundles have in eu-south-2 is not known here; compare with: " +
        "aws lightsail get-bundles --region eu-south-2",
    ]);
  });

  test("more than an account has", () => {
    const agents = JSON.stringify(Array.from({ length: 5 }, () => ({ bundleId: "xlarge_3_0" })));
    expect(warnings(over({ agents }))).toEqual([
      "`servers`: with the agents they need 6 static IPs of 5 that an account has in a region unless AWS raised its quota",
      "`servers`: with the agents they need 22 vCPUs of 20 that an account has in a region unless AWS raised its quota",
    ]);
  });

  test("none of one server, and none where the configuration is refused", () => {
    expect(warnings(over({}))).toEqual([]);
    expect(warnings(over({ ...servers("large_3_0", "large_3_0"), region: "mars" }))).toEqual([]);
  });
});

describe("networks", () => {
  test("halves of the world are the world", () => {
    const { problems } = check(over({ sshAllowedCidrs: '["0.0.0.0/1","128.0.0.0/1"]' }));
    expect(problems.map(({ field }) => field)).toEqual(["sshAllowedCidrs[0]", "sshAllowedCidrs[1]"]);
  });

  test("are written as they are read", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.nat(32), (written, prefix) => {
        const text = formatNetwork({ address: written, prefix });
        const network = parseNetwork(text)!;
        const own = formatNetwork(network);
        expect(network.exact).toBe(own === text);
        expect(parseNetwork(own)).toEqual({ ...network, exact: true });
        expect(contains(network, parseNetwork(formatNetwork({ address: written, prefix: 32 }))!)).toBe(true);
        expect(contains(parseNetwork("0.0.0.0/0")!, network)).toBe(true);
      }),
    );
  });

  test.each(["203.0.113.7", "203.0.113.256/32", "203.0.113.0/33", "::/0", "2001:db8::/32", "a/8", ""])(
    "%s is none",
    (text) => {
      expect(parseNetwork(text)).toBeUndefined();
    },
  );
});

describe("a cron schedule", () => {
  test.each(["0 */12 * * *", "5 4 1,15 * 0", "0-30/10 0 31 12 6", "59 23 * 1-12 *"])("%s", (text) => {
    expect(isCronSchedule(text)).toBe(true);
  });

  test.each([
    "",
    "0 12 * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 7",
    "5-1 * * * *",
  ])("%s is none", (text) => {
    expect(isCronSchedule(text)).toBe(false);
  });
  test("nor are a step of nothing and names", () => {
    expect(["*/0 * * * *", "@daily", "0 0 * * mon"].filter(isCronSchedule)).toEqual([]);
  });
});

test("no port of the cluster's inside is ever opened, whatever the range", () => {
  const inside = [6443, 2379, 2380, 8472, 10250];
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 65535 }),
      fc.integer({ min: 0, max: 9000 }),
      fc.constantFrom("tcp", "udp"),
      (fromPort, length, protocol) => {
        const toPort = Math.min(65535, fromPort + length);
        const { config } = check(over({ extraPorts: JSON.stringify([{ fromPort, toPort, protocol }]) }));
        if (inside.some((port) => fromPort <= port && port <= toPort)) expect(config).toBeUndefined();
      },
    ),
  );
});
