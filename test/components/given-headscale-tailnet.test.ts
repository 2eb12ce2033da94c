import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import {
  GivenHeadscaleTailnet,
  type GivenHeadscaleTailnetArgs,
} from "../../components/headscale/given-headscale-tailnet.ts";
import { prepared, secrets } from "./support/prepared.ts";
import { record, type Recording } from "./support/recorder.ts";

const caCertificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const url = "https://headscale.example.com";
const headscale = { kind: "headscale-server", url, caCertificate };
const type = (name: string): string => `homespan:index:${name}`;

const run = (
  changes: Partial<GivenHeadscaleTailnetArgs> = {},
): Promise<Recording & { readonly outputs: unknown }> =>
  record(prepared, () => {
    const tailnet = new GivenHeadscaleTailnet("tailnet", {
      ...{ clusterName: "prod", url, domain: "tailnet.example.com", caCertificate },
      ...{ user: "cluster", admins: ["alice@"], ...changes },
    });
    const host = new pulumi.ComponentResource("test:index:Host", "agent-1");
    const login = tailnet.loginKey(
      "agent-1-key",
      { hostName: "prod-agent-1", tag: "tag:prod-agent", identity: "arn:instance/prod-agent-1" },
      { parent: host },
    );
    const { control, loginServer, ownAuthority, hostAliases, policyText } = tailnet;
    const operator = tailnet.operatorKey("operator-key").key;
    return {
      ...{ control, loginServer, ownAuthority, hostAliases, policyText, operator },
      ...{ ca: tailnet.caCertificate, login: login.key },
    };
  });

test("is the user's server, trusted by its CA", async () => {
  expect((await run()).outputs).toMatchObject({
    control: headscale,
    loginServer: url,
    ownAuthority: true,
    ca: caCertificate,
    hostAliases: {},
    login: secrets.authKey,
    operator: secrets.authKey,
  });
  expect((await run({ caCertificate: "" })).outputs).toMatchObject({ ownAuthority: false, ca: "" });
});

test("registers a user, the policy and keys, and nothing of Tailscale's", async () => {
  const { registrations } = await run();
  const own = registrations.filter(
    (it) => it.type !== "pulumi:pulumi:Stack" && it.type !== "test:index:Host",
  );
  expect(own.map((it) => `${it.type} ${it.name}`).sort()).toEqual([
    "homespan:headscale:GivenHeadscaleTailnet tailnet",
    `${type("HeadscaleKey")} agent-1-key`,
    `${type("HeadscaleKey")} operator-key`,
    `${type("HeadscalePolicy")} tailnet-policy`,
    `${type("HeadscaleUser")} tailnet-user`,
    `${type("TailnetDevice")} agent-1-key-device`,
  ]);
});

test("the policy is the cluster's, after its user and before every key", async () => {
  const { find, outputs } = await run();
  const policy = find(type("HeadscalePolicy"), "tailnet-policy");
  const { policyText } = outputs as { policyText: string };
  expect(policy.inputs).toEqual({ headscale, policy: policyText, ownedBy: "prod", adopt: false });
  expect(policyText).toContain('"tag:prod-operator": ["cluster@"],');
  expect(policyText).toContain('"src": ["alice@", "tag:prod-operator"]');
  expect(policy.dependencies).toContain(find(type("HeadscaleUser"), "tailnet-user").urn);
  for (const name of ["agent-1-key", "operator-key"]) {
    expect(find(type("HeadscaleKey"), name).dependencies).toContain(policy.urn);
  }
});

test("an adopted policy is taken over, one that is kept elsewhere is not touched", async () => {
  const adopted = await run({ policy: "adopt" });
  expect(adopted.find(type("HeadscalePolicy"), "tailnet-policy").inputs).toMatchObject({ adopt: true });
  const { find, ofType } = await run({ policy: "elsewhere" });
  expect(ofType(type("HeadscalePolicy"))).toEqual([]);
  expect(find(type("HeadscaleKey"), "agent-1-key").dependencies).toContain(
    find(type("HeadscaleUser"), "tailnet-user").urn,
  );
});

test("a node has a place of its own and a key for one login within the hour, another place another key", async () => {
  const { find } = await run();
  const place = find(type("TailnetDevice"), "agent-1-key-device");
  expect(place.inputs).toEqual({
    tailnet: headscale,
    hostName: "prod-agent-1",
    tag: "tag:prod-agent",
    identity: "arn:instance/prod-agent-1",
    keySeconds: 3600,
  });
  const key = find(type("HeadscaleKey"), "agent-1-key");
  expect(key.inputs).toEqual({
    headscale,
    user: "cluster",
    hostName: "prod-agent-1",
    tags: ["tag:prod-agent"],
    expirySeconds: 3600,
    shared: false,
    identity: "g25",
  });
  expect(key.secretOutputs).toEqual(["key"]);
  expect(key.dependencies).toContain(place.urn);
});

test("the operator's key is used again and again, by devices that go when they are offline", async () => {
  const { find } = await run();
  expect(find(type("HeadscaleKey"), "operator-key").inputs).toMatchObject({
    ...{ hostName: "prod-operator", tags: ["tag:prod-operator"] },
    ...{ shared: true, expirySeconds: 7_776_000 },
  });
});
