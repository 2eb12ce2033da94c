import { readdirSync, readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { formatProblem } from "../../../stacks/grammar.ts";
import { checkHomelabConfig, homelabConfig } from "../../../stacks/homelab-config.ts";
import { homelabFields } from "../../../stacks/homelab-schema.ts";
import { formatWarning } from "../../../stacks/warnings.ts";

type Given = Record<string, string | null>;

const fixtures = (kind: string): string[] => readdirSync(new URL(kind, import.meta.url)).sort();
const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

/** A stack file's configuration as Pulumi hands it to a program: text, with objects and lists as JSON. */
function handedOver(text: string): Given {
  const { config } = parse(text) as { config: Record<string, unknown> };
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key.replace(/^homespan:/, ""),
      typeof value === "string" || value === null ? value : JSON.stringify(value),
    ]),
  );
}

/** Without the keys that are null: these are taken away from what is below. */
const check = (given: Given): ReturnType<typeof checkHomelabConfig> =>
  checkHomelabConfig({
    stackName: "prod",
    values: Object.fromEntries(
      Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== null),
    ),
  });

const smallest = handedOver(textOf("valid/smallest.yaml"));
const committed = textOf("../../../Pulumi.homelab.yaml");

describe("valid", () => {
  test.each(fixtures("valid"))("%s", (file) => {
    expect(check(handedOver(textOf(`valid/${file}`))).problems.map(formatProblem)).toEqual([]);
  });

  test("the stack file of the project itself, without a warning", () => {
    const { checked, problems } = check(handedOver(committed));
    expect({ problems, warnings: checked?.warnings }).toEqual({ problems: [], warnings: [] });
  });

  /** Every commented block by itself: variants of one key exclude each other. */
  const blocks = committed.match(/(?:^ {2}# (?:homespan:| {2,}(?=[-a-z{]+[ :])).*\n)+/gm) ?? [];
  const keyed = blocks.filter((block) => block.startsWith("  # homespan:"));
  test.each(keyed.map((block) => [block.split("\n")[0] ?? "", block]))(
    "commented out: %s",
    (_title, block) => {
      const values = handedOver(`config:\n${block.replace(/^ {2}# /gm, "  ")}`);
      const joins = Object.keys(values).every((key) => ["agents", "extraConfig"].includes(key));
      // All others are of a cluster of its own.
      const own = joins
        ? {}
        : { join: null, servers: smallest["servers"] ?? null, tailnet: smallest["tailnet"] ?? null };
      const { problems } = check({ ...handedOver(committed), ...own, libvirtHosts: hosts, ...values });
      expect(problems.map(formatProblem)).toEqual([]);
    },
  );
  const hosts = handedOver(committed)["libvirtHosts"] ?? null;

  test("every key is in it, set or commented out", () => {
    expect(keyed.length).toBeGreaterThan(10);
    for (const key of Object.keys(homelabFields)) expect(committed).toMatch(new RegExp(`homespan:${key}:`));
  });
});

describe("invalid: the first line names the rule and its message, and it is the only one", () => {
  test.each(fixtures("invalid"))("%s", (file) => {
    const text = textOf(`invalid/${file}`);
    const [, rule, message] = /^# ([a-z0-9-]+): (.*)$/m.exec(text) ?? [];
    expect(rule).toBe(file.replace(/\.yaml$/, ""));
    const { checked, problems } = check({ ...smallest, ...handedOver(text) });
    expect(problems.map(formatProblem)).toEqual([message]);
    expect(checked).toBeUndefined();
  });
});

test("all problems are told at once, in one error without a stack trace", () => {
  const files = ["host-memory", "mac-driver", "tailnet-missing", "k3s-version-unpinned"].map((file) =>
    textOf(`invalid/${file}.yaml`),
  );
  const given: Given = Object.assign({ ...smallest }, ...files.map(handedOver)) as Given;
  const values = Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== null),
  );
  expect(() => homelabConfig({ stackName: "prod", values })).toThrow(pulumi.RunError);
  expect(check(given).problems.map(formatProblem).sort()).toEqual(
    files.map((text) => (text.split("\n")[0] ?? "").replace(/^# [a-z0-9-]+: /, "")).sort(),
  );
});

describe("defaults", () => {
  test("of the smallest configuration: a cluster of its own", () => {
    expect(check(smallest).checked?.own).toEqual({
      clusterName: "prod",
      home: {
        nodes: [
          {
            name: "server-1",
            role: "server",
            vm: {
              ...{ host: "nas", vcpus: 2, memoryMiB: 4096, systemDiskGiB: 20, dataDiskGiB: 40 },
              ...{ address: "192.168.122.41", memoryHardLimit: true, osUpdates: "off" },
            },
            ...{ labels: {}, taints: [], kubeletArgs: [] },
          },
        ],
        libvirtHosts: {
          nas: {
            ...{ uri: "qemu:///system", site: "home", pool: "default", type: "kvm" },
            network: { kind: "network", name: "default" },
          },
        },
        flatcar: {
          ...{ channel: "stable", version: "4230.2.3", mirrors: [] },
          sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        },
        mac: undefined,
      },
      snapshots: { schedule: "0 */12 * * *", keep: 5, bucket: { kind: "none" } },
      s3SecretAccessKey: undefined,
      podSecurity: { enforce: "restricted", exemptNamespaces: [] },
      auditLog: { maxAgeDays: 30, maxBackups: 10, maxSizeMiB: 100 },
      disable: ["traefik", "servicelb"],
      timeToLive: undefined,
      podNetwork: "vxlan",
      registryMirrors: {},
      extraConfig: { server: {}, agent: {} },
      k3sVersion: "v1.35.1+k3s1",
      tailnet: {
        ...{ kind: "tailscale", domain: "tail0a1b2c.ts.net", adopt: false, policy: "own" },
        ...{ tagOwners: ["autogroup:admin"], admins: ["autogroup:admin"] },
      },
    });
  });

  test("of a Mac: the reference cluster's blueprint", () => {
    const { checked } = check({ ...smallest, mac: '{"site":"home"}' });
    expect(checked?.own?.home.mac).toEqual({
      ...{ site: "home", network: { kind: "user-v2" }, startAt: "boot" },
      blueprint: { image: "ubuntu-24.04", cpus: 3, memoryMiB: 8192, diskGiB: 20, dataDiskGiB: 300 },
    });
  });

  test("of agents that join: names by their place", () => {
    const { checked } = check(handedOver(textOf("valid/joins.yaml")));
    expect(checked?.joining).toMatchObject({ stack: "lightsail", ownName: "prod" });
    expect(checked?.joining?.home.nodes.map(({ name, role }) => [name, role])).toEqual([
      ["agent-1", "agent"],
      ["pi", "agent"],
    ]);
  });
});

describe("warnings", () => {
  const warnings = (given: Given): string[] =>
    (check({ ...smallest, ...given }).checked?.warnings ?? []).map(formatWarning);
  const servers = (count: number): string =>
    JSON.stringify(
      Array.from({ length: count }, (_, index) => ({
        vm: {
          ...{ host: "nas", vcpus: 2, memoryMiB: 4096, dataDiskGiB: 40 },
          address: `192.168.122.${41 + index}`,
        },
      })),
    );
  const lost =
    "`snapshots.bucket`: snapshots of etcd stay on the servers' own disks, and are lost with them; a bucket of kind s3 keeps them";

  test("snapshots without a bucket", () => {
    expect(warnings({})).toEqual([lost]);
  });

  test("two servers survive no loss, three on one host none of its", () => {
    expect(warnings({ servers: servers(2) })).toEqual([
      expect.stringMatching(/^`servers`: two servers survive no loss/),
      lost,
    ]);
    expect(warnings({ servers: servers(3) })).toEqual([
      "`servers`: all 3 are virtual machines of nas: its failure stops the API; give them hosts of their own",
      lost,
    ]);
  });
});
