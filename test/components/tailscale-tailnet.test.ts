import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { TailscaleTailnet, type TailscaleTailnetArgs } from "../../components/tailscale/tailscale-tailnet.ts";
import { machineSecrets, prepared } from "./support/prepared.ts";
import { record, type Recording } from "./support/recorder.ts";

const key = "tailscale:index/tailnetKey:TailnetKey";

const run = (
  changes: Partial<TailscaleTailnetArgs> = {},
  identity = "arn:instance/prod-agent-1",
): Promise<Recording & { readonly outputs: unknown }> =>
  record(prepared, () => {
    const tailnet = new TailscaleTailnet("tailnet", {
      clusterName: "prod",
      domain: "tail0a1b2c.ts.net",
      tagOwners: ["autogroup:admin"],
      admins: ["alice@example.com"],
      ...changes,
    });
    const host = new pulumi.ComponentResource("test:index:Host", "agent-1");
    const login = tailnet.loginKey(
      "agent-1-key",
      { hostName: "prod-agent-1", tag: "tag:prod-agent", identity },
      { parent: host },
    );
    return {
      control: tailnet.control,
      loginServer: tailnet.loginServer,
      caCertificate: tailnet.caCertificate,
      hostAliases: tailnet.hostAliases,
      login: login.key,
      operator: tailnet.operatorKey("operator-key").key,
      policyText: tailnet.policyText,
    };
  });

test("is Tailscale's own, managed by its API, which the public CAs know", async () => {
  const { outputs } = await run();
  expect(outputs).toMatchObject({
    control: { kind: "tailscale", tailnet: "-" },
    loginServer: "",
    caCertificate: "",
    hostAliases: {},
    login: machineSecrets.loginKey,
    operator: machineSecrets.loginKey,
  });
});

test("registers a provider, policy, MagicDNS and keys, and nothing of them but through that provider", async () => {
  const { registrations } = await run();
  const own = registrations.filter(
    (it) => it.type !== "pulumi:pulumi:Stack" && it.type !== "test:index:Host",
  );
  expect(own.map((it) => `${it.type} ${it.name}`).sort()).toEqual([
    "homespan:index:TailnetDevice agent-1-key-device",
    "homespan:index:TailnetPolicyOrigin tailnet-policy-origin",
    "homespan:tailscale:TailscaleTailnet tailnet",
    "pulumi:providers:tailscale tailnet-provider",
    "tailscale:index/acl:Acl tailnet-policy",
    "tailscale:index/dnsPreferences:DnsPreferences tailnet-dns",
    `${key} agent-1-key`,
    `${key} operator-key`,
  ]);
  for (const it of own.filter(({ type }) => type.startsWith("tailscale:"))) {
    expect(it.provider, it.urn).toContain("pulumi:providers:tailscale::tailnet-provider");
  }
});

test("the provider takes its credentials from the environment alone", async () => {
  const { find } = await run();
  const { inputs } = find("pulumi:providers:tailscale", "tailnet-provider");
  expect(Object.keys(inputs).filter((it) => !["userAgent", "version"].includes(it))).toEqual([]);
});

test("a policy that others wrote is left alone, and the default comes back in the end", async () => {
  const { find, outputs } = await run();
  expect(find("tailscale:index/acl:Acl", "tailnet-policy").inputs).toEqual({
    acl: (outputs as { policyText: string }).policyText,
    overwriteExistingContent: false,
    resetAclOnDestroy: true,
  });
});

test("a policy that a killed run left behind is the cluster's own, and taken over", async () => {
  const left = { ...prepared, "homespan:index:TailnetPolicyOrigin": () => ({ own: true }) };
  const { find } = await record(left, () => {
    const args = { clusterName: "prod", domain: "tail0a1b2c.ts.net", tagOwners: [], admins: [] };
    return new TailscaleTailnet("tailnet", args).policy.urn;
  });
  const policy = find("tailscale:index/acl:Acl", "tailnet-policy");
  expect(policy.inputs).toMatchObject({ overwriteExistingContent: true, resetAclOnDestroy: true });
  // Once it is set, whose it was decides nothing any more.
  expect(policy.ignoreChanges).toEqual(["overwriteExistingContent"]);
});

test("an adopted policy is taken over, and the default, which lets everyone in, does not come back", async () => {
  const { find } = await run({ policy: "adopt" });
  expect(find("tailscale:index/acl:Acl", "tailnet-policy").inputs).toMatchObject({
    overwriteExistingContent: true,
    resetAclOnDestroy: false,
  });
});

test("a policy that is kept elsewhere is not touched; keys wait for MagicDNS instead", async () => {
  const { find, ofType } = await run({ policy: "elsewhere" });
  expect(ofType("tailscale:index/acl:Acl")).toEqual([]);
  expect(find(key, "agent-1-key").dependencies).toContain(
    find("tailscale:index/dnsPreferences:DnsPreferences", "tailnet-dns").urn,
  );
});

test("MagicDNS is on, and stays on for the others of the tailnet", async () => {
  const { find } = await run();
  expect(find("tailscale:index/dnsPreferences:DnsPreferences", "tailnet-dns")).toMatchObject({
    inputs: { magicDns: true },
    retainOnDelete: true,
  });
});

test("a node's key is for one login within the hour, with its tag, once the policy knows it", async () => {
  const { find } = await run();
  const login = find(key, "agent-1-key");
  expect(login.inputs).toEqual({
    description: "prod-agent-1 g25",
    tags: ["tag:prod-agent"],
    preauthorized: true,
    reusable: false,
    ephemeral: false,
    expiry: 3600,
    recreateIfInvalid: "never",
  });
  expect(login.parent).toContain("test:index:Host::agent-1");
  expect(login.secretOutputs).toEqual(["key"]);
  expect(login.dependencies).toContain(find("tailscale:index/acl:Acl", "tailnet-policy").urn);
});

test("the place in the tailnet is the machine's, and another machine has another key", async () => {
  const { find } = await run();
  const place = find("homespan:index:TailnetDevice", "agent-1-key-device");
  expect(place.inputs).toEqual({
    tailnet: { kind: "tailscale", tailnet: "-" },
    hostName: "prod-agent-1",
    tag: "tag:prod-agent",
    identity: "arn:instance/prod-agent-1",
    keySeconds: 3600,
  });
  expect(place.deleteBeforeReplace).toBe(true);
  expect(find(key, "agent-1-key").dependencies).toContain(place.urn);
  const other = await run({}, "arn:instance/another-one");
  expect(other.find(key, "agent-1-key").inputs["description"]).not.toBe(
    find(key, "agent-1-key").inputs["description"],
  );
});

test("a key's description holds what Tailscale takes, whatever the names' lengths", async () => {
  const { find } = await record(prepared, () => {
    const clusterName = "c".repeat(22);
    const tailnet = new TailscaleTailnet("tailnet", {
      ...{ clusterName, domain: "tail0a1b2c.ts.net", tagOwners: [], admins: [] },
    });
    const parent = new pulumi.ComponentResource("test:index:Host", "host");
    const hostName = `${clusterName}-${"n".repeat(40)}`;
    tailnet.loginKey("key", { hostName, tag: "tag:c-agent", identity: "i".repeat(400) }, { parent });
  });
  const description = String(find(key, "key").inputs["description"]);
  expect(description).toMatch(/^[-a-z0-9 ]{1,50}$/);
  expect(description).toMatch(/ g400$/);
});

test("the operator's key is used again and again, by devices that go when they are offline", async () => {
  const { find } = await run();
  expect(find(key, "operator-key").inputs).toEqual({
    description: "prod-operator",
    tags: ["tag:prod-operator"],
    preauthorized: true,
    reusable: true,
    ephemeral: true,
    expiry: 7_776_000,
    recreateIfInvalid: "always",
  });
});
