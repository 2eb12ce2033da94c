/** The cloud's network as rules: goldens, nft's own reading of them, and what each behaviour rests on. */
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import type { PortRule } from "../../../rehearsal/machines/machines.ts";
import { type CloudRules, renderCloudRules } from "../../../rehearsal/machines/network-rules.ts";

const rule = (changes: Partial<PortRule>): PortRule => ({
  ...{ fromPort: 22, toPort: 22, protocol: "tcp", cidrs: ["0.0.0.0/0"], ipv6Cidrs: ["::/0"] },
  ...changes,
});

const empty: CloudRules = {
  table: "homespan_rehearsal_cloud",
  subnet: "172.26.7.0/24",
  gateway: "172.26.7.1",
  publicRange: "198.18.7.0/24",
  machines: [],
};

const cloud: CloudRules = {
  ...empty,
  machines: [
    {
      ...{ name: "lightsail-server-2", privateAddress: "172.26.7.100", publicAddress: "198.18.7.1" },
      rules: [],
    },
    {
      ...{ name: "lightsail-server-1", privateAddress: "172.26.7.16", publicAddress: "198.18.7.128" },
      rules: [
        rule({}),
        rule({ protocol: "udp", fromPort: 41641, toPort: 41641 }),
        rule({ fromPort: 8000, toPort: 8100, cidrs: ["203.0.113.9", "198.51.100.0/24", "198.51.100.7/32"] }),
        rule({ protocol: "icmp", fromPort: 8, toPort: -1 }),
        rule({ protocol: "icmp", fromPort: 3, toPort: 4, cidrs: ["203.0.113.0/24"] }),
        rule({ protocol: "icmpv6", fromPort: 128, toPort: -1 }),
        rule({ fromPort: 443, toPort: 443, cidrs: [] }),
      ],
    },
    {
      ...{ name: "open.to_all", privateAddress: "172.26.7.17", publicAddress: "198.18.7.2" },
      rules: [
        rule({ protocol: "all", fromPort: 0, toPort: 65535 }),
        rule({ protocol: "all", fromPort: 0, toPort: 65535, cidrs: ["203.0.113.9/32"] }),
        rule({ protocol: "icmp", fromPort: -1, toPort: -1 }),
      ],
    },
  ],
};

const samples = [
  ["empty", empty],
  ["three", cloud],
] as const;

/** The lines of a chain, without what surrounds them. */
function chain(text: string, name: string): string[] {
  const [, body = ""] = new RegExp(`  chain ${name} \\{\n((?:    .*\n)*)  \\}`).exec(text) ?? [];
  return body.split("\n").flatMap((line) => (line === "" ? [] : [line.trim()]));
}

test.each(samples)("golden: %s", async (name, rules) => {
  await expect(renderCloudRules(rules)).toMatchFileSnapshot(`golden/cloud-${name}.nft`);
});

test("nft reads them", async ({ skip }) => {
  for (const [, rules] of samples) {
    const input = renderCloudRules(rules);
    const read = await execa("nft", ["--check", "--file", "-"], { input, reject: false });
    const unable = read.code === "ENOENT" || read.stderr.includes("Operation not permitted");
    skip(unable, "nft is missing, or needs root");
    expect(read.stderr).toBe("");
  }
});

describe("a machine's chain", () => {
  const opened = chain(renderCloudRules(cloud), "to_172_26_7_16");

  test("opens exactly what its rules name, and drops the rest", () => {
    expect(opened).toEqual([
      "# lightsail-server-1",
      "ct status ! dnat drop",
      "tcp dport 22 accept",
      "udp dport 41641 accept",
      "ip saddr 203.0.113.9 tcp dport 8000-8100 accept",
      "ip saddr 198.51.100.0/24 tcp dport 8000-8100 accept",
      "ip saddr 198.51.100.7/32 tcp dport 8000-8100 accept",
      "icmp type 8 accept",
      "ip saddr 203.0.113.0/24 icmp type 3 icmp code 4 accept",
      "drop",
    ]);
  });

  test("without a rule drops everything", () => {
    expect(chain(renderCloudRules(cloud), "to_172_26_7_100")).toEqual([
      "# lightsail-server-2",
      "ct status ! dnat drop",
      "drop",
    ]);
  });

  test("with `all` lets everything in, from one source or from all", () => {
    expect(chain(renderCloudRules(cloud), "to_172_26_7_17").slice(2)).toEqual([
      "meta nfproto ipv4 accept",
      "ip saddr 203.0.113.9/32 accept",
      "meta l4proto icmp accept",
      "drop",
    ]);
  });
});

test("the firewall lets private addresses alone, and asks again for each packet to a machine", () => {
  const lines = chain(renderCloudRules(cloud), "firewall");
  expect(lines).toContain(
    "ip saddr 172.26.7.0/24 ip saddr != 172.26.7.1 ip daddr 172.26.7.0/24 ct status ! dnat accept",
  );
  expect(lines.join("\n")).not.toContain("established");
  expect(lines.at(-1)).toBe("ip daddr 198.18.7.0/24 drop");
});

test("the same machines in another order are the same rules", () => {
  expect(renderCloudRules({ ...cloud, machines: [...cloud.machines].reverse() })).toBe(
    renderCloudRules(cloud),
  );
});
