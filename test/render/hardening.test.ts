import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { type Hardening, renderHardening } from "../../components/render/hardening.ts";
import { machinePaths } from "../../components/render/host-paths.ts";
import { renderJoin } from "../../components/render/join.ts";
import { renderK3sConfig } from "../../components/render/k3s-config.ts";
import { hardeningPaths, ownedArguments } from "../../components/upstream/hardening.ts";
import { agent, server } from "./samples.ts";

const hardening: Hardening = {
  podSecurity: { enforce: "restricted", exemptNamespaces: ["kube-system", "monitoring", "kube-system"] },
  auditLog: { maxAgeDays: 30, maxBackups: 10, maxSizeMiB: 100 },
};
const files = renderHardening(hardening);
const text = (path: string): string => files[path] ?? "";
const config = (extra: Partial<typeof server> = {}): Record<string, unknown> =>
  parse(renderK3sConfig({ ...server, hardening, ...extra })) as Record<string, unknown>;

describe("a server's files", () => {
  test("which pods are admitted", async () => {
    const admission = text(hardeningPaths.admission);
    await expect(admission).toMatchFileSnapshot("golden/admission.yaml");
    const { plugins } = parse(admission) as {
      readonly plugins: readonly { readonly name: string; readonly configuration: unknown }[];
    };
    expect(plugins.map(({ name }) => name)).toEqual(["PodSecurity", "EventRateLimit"]);
    expect(plugins[0]?.configuration).toMatchObject({
      defaults: { enforce: "restricted", "enforce-version": "latest" },
      exemptions: { namespaces: ["kube-system", "monitoring"], usernames: [], runtimeClasses: [] },
    });
  });

  test("what is logged: of Secrets never more than who did what, and of whatever no rule leaves out", async () => {
    const policy = text(hardeningPaths.auditPolicy);
    await expect(policy).toMatchFileSnapshot("golden/audit-policy.yaml");
    interface AuditRule {
      readonly level: string;
      readonly resources?: readonly { readonly group: string; readonly resources: readonly string[] }[];
      readonly users?: readonly string[];
      readonly userGroups?: readonly string[];
      readonly nonResourceURLs?: readonly string[];
    }
    const { rules } = parse(policy) as { readonly rules: readonly AuditRule[] };
    expect(rules.at(-1)).toEqual({ level: "Metadata" });
    expect(new Set(rules.map(({ level }) => level))).toEqual(new Set(["None", "Metadata"]));
    const secrets = rules.findIndex(({ resources }) =>
      resources?.some((it) => it.resources.includes("secrets")),
    );
    for (const { level, resources, nonResourceURLs } of rules.slice(0, secrets)) {
      expect(level).toBe("None");
      const narrow = nonResourceURLs ?? resources?.flatMap((it) => it.resources);
      expect(narrow).not.toHaveLength(0);
      expect(narrow).toBeDefined();
    }
    // People are in no rule that leaves something out, whatever they read.
    for (const { level, users = [], userGroups = [] } of rules
      .slice(1, -1)
      .filter(({ level }) => level === "None")) {
      expect(level).toBe("None");
      expect([...users, ...userGroups].length).toBeGreaterThan(0);
      for (const name of [...users, ...userGroups]) {
        expect(name).toMatch(
          /^(k3s-cloud-controller-manager|system:(nodes|apiserver|k3s-supervisor|kube-[a-z-]+))$/,
        );
      }
    }
  });

  test("no token for pods that name no account", async () => {
    const accounts = text(hardeningPaths.serviceAccounts);
    await expect(accounts).toMatchFileSnapshot("golden/service-accounts.yaml");
    const found = parseAllDocuments(accounts).map((it) => it.toJS() as unknown);
    expect(found).toEqual(
      ["default", "kube-node-lease", "kube-public", "kube-system"].map((namespace) => ({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "default", namespace },
        automountServiceAccountToken: false,
      })),
    );
  });

  test("are on servers alone", () => {
    const join = (k3s: Parameters<typeof renderK3sConfig>[0]): string[] => {
      const conf = { role: k3s.role, mode: "join" as const, servers: [], tlsSans: [] };
      const registration = { labels: {}, taints: [] };
      const made = renderJoin({
        k3s: { ...k3s, paths: machinePaths },
        registration,
        fresh: conf,
        initialised: conf,
      });
      return Object.keys(made.files).sort();
    };
    const plain = join(agent);
    expect(join({ ...agent, hardening })).toEqual(plain);
    expect(join(server)).toEqual(plain);
    expect(join({ ...server, hardening })).toEqual(
      [
        ...plain,
        "etc/rancher/k3s/admission.yaml",
        "etc/rancher/k3s/audit-policy.yaml",
        "rancher/k3s/server/manifests/homespan-service-accounts.yaml",
      ].sort(),
    );
  });
});

describe("config.yaml", () => {
  test("of a server", async () => {
    await expect(renderK3sConfig({ ...server, hardening })).toMatchFileSnapshot(
      "golden/server-hardened.yaml",
    );
    expect(config()).toMatchObject({
      "protect-kernel-defaults": true,
      "secrets-encryption": true,
      "kube-controller-manager-arg": ["terminated-pod-gc-threshold=100"],
    });
    expect(config()["kube-apiserver-arg"]).toEqual([
      "admission-control-config-file=/etc/rancher/k3s/admission.yaml",
      "audit-log-maxage=30",
      "audit-log-maxbackup=10",
      "audit-log-maxsize=100",
      "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log",
      "audit-policy-file=/etc/rancher/k3s/audit-policy.yaml",
      "enable-admission-plugins=NodeRestriction,EventRateLimit",
      "service-account-extend-token-expiration=false",
    ]);
  });

  test("of an agent has what concerns its kubelet alone, and the user's arguments last", () => {
    const plain = parse(renderK3sConfig({ ...agent, extraConfig: {} })) as Record<string, unknown>;
    const hardened = parse(renderK3sConfig({ ...agent, extraConfig: {}, hardening })) as Record<
      string,
      unknown
    >;
    expect(hardened).toEqual({
      ...plain,
      "protect-kernel-defaults": true,
      "kubelet-arg": [
        "pod-max-pids=4096",
        "streaming-connection-idle-timeout=5m",
        expect.stringMatching(/^tls-cipher-suites=TLS_ECDHE_[A-Z0-9_,]+$/),
        "tls-min-version=VersionTLS12",
        "max-pods=60",
      ],
    });
  });

  test("adds the user's arguments to the list, however they are written", () => {
    const own = config()["kube-apiserver-arg"] as string[];
    const list = (extraConfig: typeof server.extraConfig): unknown => {
      const read = config({ extraConfig });
      expect(read).not.toHaveProperty(["kube-apiserver-arg+"]);
      return read["kube-apiserver-arg"];
    };
    expect(list({ "kube-apiserver-arg": "v=2" })).toEqual([...own, "v=2"]);
    expect(list({ "kube-apiserver-arg+": ["v=2", "event-ttl=2h"] })).toEqual([...own, "v=2", "event-ttl=2h"]);
    expect(list({ "kube-apiserver-arg": ["v=2"], "kube-apiserver-arg+": "event-ttl=2h" })).toEqual([
      ...own,
      "v=2",
      "event-ttl=2h",
    ]);
  });

  test("gives no API argument that a user could give another value of, but lists that add up", () => {
    const names = (config()["kube-apiserver-arg"] as string[]).map((it) => it.split("=")[0] ?? "");
    const owned = Object.keys(ownedArguments["kube-apiserver-arg"] ?? {});
    expect(names.filter((name) => !owned.includes(name))).toEqual(["enable-admission-plugins"]);
  });

  test("without hardening is what it was", () => {
    const plain = renderK3sConfig(server);
    expect(plain).not.toMatch(/kube-apiserver-arg|protect-kernel|kubelet-arg/);
    expect(renderK3sConfig({ ...server, hardening: undefined })).toBe(plain);
  });
});
