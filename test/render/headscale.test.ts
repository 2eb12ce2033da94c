import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { loginServer, renderHeadscaleConfig } from "../../components/render/headscale-config.ts";
import { renderHeadscalePolicy } from "../../components/render/headscale-policy.ts";
import { controlHostName, tailnetDomain } from "../../components/render/names.ts";
import type { PodRoutes } from "../../components/render/pod-network.ts";
import { findCommand } from "../../toolchain/machine.ts";

const config = renderHeadscaleConfig({
  controlHostName: "control.homespan-ci.internal",
  address: "10.90.0.10",
  domain: "ci.tailnet.internal",
});
const policyOf = (tests: "resolvable" | "populated", podRoutes?: PodRoutes): string =>
  renderHeadscalePolicy({ clusterName: "ci", user: "homespan", metricsServer: false, podRoutes, tests });

/** The policy's comments are whole lines, and a comma may follow the last member. */
const plainJson = (hujson: string): string =>
  hujson.replace(/^\s*\/\/.*$/gm, "").replace(/,(\s*[\]}])/g, "$1");

interface Policy {
  readonly grants: readonly { readonly src: string[]; readonly dst: string[]; readonly ip: string[] }[];
  readonly tests: readonly { readonly src: string }[];
}

test("config", async () => {
  await expect(config).toMatchFileSnapshot("golden/headscale.yaml");
  expect(parse(config)).toMatchObject({
    server_url: "https://control.homespan-ci.internal",
    policy: { mode: "database" },
    dns: { magic_dns: true, override_local_dns: false, base_domain: "ci.tailnet.internal" },
    derp: { urls: [], auto_update_enabled: false, server: { enabled: true, ipv4: "10.90.0.10" } },
    metrics_listen_addr: "",
    logtail: { enabled: false },
  });
});

test("the control server is outside the domain that clients look up in the tailnet", () => {
  expect(loginServer(controlHostName("ci")).endsWith(tailnetDomain("ci"))).toBe(false);
});

test("policy: exactly these ports are open between nodes", async () => {
  const text = policyOf("resolvable");
  await expect(text).toMatchFileSnapshot("golden/policy.hujson");
  const { grants } = JSON.parse(plainJson(text)) as Policy;
  const open = grants.flatMap(({ src, dst, ip }) =>
    src.flatMap((from) => dst.flatMap((to) => ip.map((it) => `${from} ${to} ${it}`))),
  );
  const [server, agent] = ["tag:ci-server", "tag:ci-agent"];
  const everywhere = [`${server} ${server}`, `${server} ${agent}`, `${agent} ${server}`, `${agent} ${agent}`];
  expect(open.sort()).toEqual(
    [
      `${server} ${server} tcp:6443`,
      `${agent} ${server} tcp:6443`,
      `${server} ${server} tcp:2379`,
      `${server} ${server} tcp:2380`,
      `${server} ${server} tcp:10250`,
      `${server} ${agent} tcp:10250`,
      ...everywhere.flatMap((pair) => [`${pair} udp:8472`, `${pair} icmp:*`]),
    ].sort(),
  );
});

test("metrics-server opens kubelets to agents too, and nothing else", () => {
  const text = renderHeadscalePolicy({
    clusterName: "ci",
    user: "homespan",
    metricsServer: true,
    tests: "resolvable",
  });
  const { grants } = JSON.parse(plainJson(text)) as Policy;
  expect(grants.filter((it) => it.ip.includes("tcp:10250")).map((it) => it.src)).toEqual([
    ["tag:ci-server", "tag:ci-agent"],
  ]);
});

test("the policy for an empty tailnet tests no tag, the one for a populated tailnet tests both", async () => {
  const sources = (text: string): Set<string> =>
    new Set((JSON.parse(plainJson(text)) as Policy).tests.map((it) => it.src));
  expect(sources(policyOf("resolvable"))).toEqual(new Set(["100.127.255.254"]));
  await expect(policyOf("populated")).toMatchFileSnapshot("golden/policy-populated.hujson");
  expect(sources(policyOf("populated"))).toEqual(
    new Set(["100.127.255.254", "tag:ci-agent", "tag:ci-server"]),
  );
});

const headscale = findCommand("headscale");
test.skipIf(headscale === undefined)("the real headscale accepts the configuration and the policies", () => {
  const folder = mkdtempSync(join(tmpdir(), "homespan-headscale-"));
  try {
    writeFileSync(join(folder, "config.yaml"), config.replaceAll("/var/lib/headscale", folder));
    const run = (...args: string[]): string =>
      execFileSync(headscale ?? "", ["--config", join(folder, "config.yaml"), ...args], { encoding: "utf8" });
    const direct = ["--force", "--bypass-grpc-and-access-database-directly"];
    for (const text of [policyOf("resolvable"), policyOf("resolvable", { podCidr: "10.42.0.0/16" })]) {
      writeFileSync(join(folder, "policy.hujson"), text);
      expect(run("policy", "check", ...direct, "--file", join(folder, "policy.hujson"))).toContain(
        "Policy is valid",
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
