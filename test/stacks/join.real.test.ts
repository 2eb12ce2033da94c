/**
 * Agents that join another stack's cluster, previewed by Pulumi itself: the other stack is one whose outputs were made up, in the same
 * state folder. Their tailnet is a Headscale's and their machines are Lima's, so no cloud's plugin is needed, and nobody is asked.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { offeredJoin } from "../components/support/prepared.ts";
import { type Finished, repository, run } from "../e2e/support/command.ts";

const folder = mkdtempSync(join(tmpdir(), "hs-join-"));
const outside = { HOMESPAN_STATE: join(folder, "state"), CI: "true" };
const secrets = { agentToken: "agent-token-5d0c", kubeconfigKey: "admin-key-91ab" };
let environment: Readonly<Record<string, string | undefined>> = outside;

const homespan = (...args: readonly string[]): Promise<Finished> =>
  run(join(repository, "homespan"), args, { env: outside, timeoutSeconds: 170, mayFail: true });
const preview = (...args: readonly string[]): Promise<Finished> =>
  homespan(
    "preview",
    "homelab",
    "--set",
    "agents=[{lima: {}}, {lima: {}}]",
    "--set",
    "mac={site: home}",
    ...args,
  );

/** How Pulumi marks a secret in a deployment. */
const secret = (value: string): Record<string, string> => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(value),
});
const offer = {
  ...offeredJoin,
  tailnet: {
    ...{ kind: "headscale", url: "https://headscale.example.com", domain: "tailnet.example.com" },
    ...{ user: "prod", caCertificate: "" },
  },
  agentToken: secret(secrets.agentToken),
  kubeconfig: secret(
    `clusters: [{ name: prod, cluster: {} }]\nusers: [{ name: prod, user: { client-key-data: ${secrets.kubeconfigKey} } }]\n`,
  ),
};

const urn = (stack: string, type: string, name: string): string =>
  `urn:pulumi:${stack}::homespan::${type}::${name}`;

/** The stack `lightsail`, which `env` made, as if it had been brought up with these outputs. */
async function bringUp(outputs: object): Promise<void> {
  const type = "pulumi:pulumi:Stack";
  await importState("lightsail", [{ urn: urn("lightsail", type, "homespan-lightsail"), type, outputs }]);
}

async function importState(stack: string, resources: readonly object[]): Promise<void> {
  const config = environment["HOMESPAN_CONFIG"] ?? "";
  const { encryptionsalt } = parse(readFileSync(join(config, `Pulumi.${stack}.yaml`), "utf8")) as {
    readonly encryptionsalt: string;
  };
  const deployment = {
    manifest: { time: "2026-11-28T00:00:00Z", magic: "", version: "" },
    secrets_providers: { type: "passphrase", state: { salt: encryptionsalt } },
    resources,
  };
  const file = join(folder, `${stack}.json`);
  writeFileSync(file, JSON.stringify({ version: 3, deployment }));
  await run("pulumi", ["--cwd", config, "stack", "import", "--stack", stack, "--file", file], {
    env: environment,
  });
}

beforeAll(async () => {
  const { stdout } = await run(join(repository, "homespan"), ["env", "lightsail", "--json"], {
    env: outside,
  });
  environment = { ...outside, ...(JSON.parse(stdout) as Readonly<Record<string, string>>) };
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("a stack that is not there, is not up, or offers nothing is one message with the command", async () => {
  const fix = (stack: string): string => `bring it up first: ./homespan up ${stack}, got "${stack}"`;
  const absent = await preview("--set", "join=nobody");
  expect(absent.output).toContain(`(it cannot be read: unknown stack "nobody"); ${fix("nobody")}`);
  expect(absent.code).toBe(2);
  expect((await preview()).output).toContain(`(it has no outputs: it is not up); ${fix("lightsail")}`);
  await bringUp({ clusterName: "prod" });
  expect((await preview()).output).toContain("by a version of Homespan without it, or is no stack");
});

interface Preview {
  readonly steps: readonly { readonly newState?: { readonly type: string; readonly inputs?: object } }[];
}

test("what is offered arrives, and its secrets are shown to nobody", async () => {
  await bringUp({ clusterName: "prod", join: offer });
  const { code, stdout, output } = await preview("--json");
  expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" });
  const states = (JSON.parse(stdout) as Preview).steps.flatMap(({ newState }) => newState ?? []);
  const ofType = (type: string): readonly (object | undefined)[] =>
    states.filter((it) => it.type === `homespan:index:${type}`).map(({ inputs }) => inputs);
  // The engine tells them in the order in which it happened to get to them.
  const byName = (one: object | undefined, other: object | undefined): number =>
    JSON.stringify(one).localeCompare(JSON.stringify(other));
  expect([...ofType("Membership")].sort(byName)).toMatchObject([
    { clusterName: "prod", hostName: "prod-agent-1", tag: "tag:prod-agent", role: "agent" },
    { clusterName: "prod", hostName: "prod-agent-2" },
  ]);
  expect(ofType("HeadscalePolicy")).toEqual([]);
  const text = await preview();
  for (const value of Object.values(secrets)) {
    expect(output).not.toContain(value);
    expect(text.output).not.toContain(value);
  }
  expect(text.output).toContain("secretFiles: [secret]");
});

test("render and cost work before the first up, and leave nothing behind", async () => {
  const settings = ["--set", "agents=[{lima: {}}]", "--set", "mac={site: home}"];
  const rendered = await homespan("render", "agent-1", "homelab", ...settings);
  expect(rendered.output).toContain("SERVERS=prod-server-1.tail0a1b2c.ts.net prod-server-2");
  expect(rendered.output).not.toContain(secrets.agentToken);
  const cost = await homespan("cost", "homelab", ...settings, "--watts", "60", "--kwh-price", "0.3");
  expect(cost.output).toContain("homelab makes nothing that is billed: it costs nothing but power");
  const { stdout } = await run(
    "pulumi",
    ["--cwd", environment["HOMESPAN_CONFIG"] ?? "", "stack", "ls", "--json"],
    {
      env: environment,
    },
  );
  expect((JSON.parse(stdout) as readonly { readonly name: string }[]).map(({ name }) => name)).toEqual([
    "lightsail",
  ]);
});

test("what a machine with Fedora CoreOS is installed with is there as soon as the key is, and read by Ignition", async () => {
  const settings = [
    ...["--set", "agents=[{name: metal-1, coreos: {address: 192.168.1.60, site: home}}]"],
    ...["--set", "libvirtHosts={}"],
  ];
  const early = await homespan("ignition", "metal-1", "homelab", ...settings);
  expect(early.code).toBe(1);
  expect(early.output).toContain("was not made yet; run: ./homespan up homelab");

  // As the first `up` leaves it that nobody answers.
  await run(join(repository, "homespan"), ["env", "homelab"], { env: outside });
  const [stackType, providerType, keyType] = [
    "pulumi:pulumi:Stack",
    "pulumi:providers:homespan",
    "homespan:index:SshKey",
  ];
  const parent = urn("homelab", stackType, "homespan-homelab");
  const provider = urn("homelab", providerType, "default");
  const id = "0f9c8bb5-61f4-4f0c-8d3e-6c1f0a3d2b11";
  const inputs = { clusterName: "homelab" };
  const publicKey = "ssh-rsa AAAAB3NzaC1yc2E homespan-homelab";
  await importState("homelab", [
    { urn: parent, type: stackType },
    { urn: provider, type: providerType, id, custom: true, inputs: {}, outputs: {} },
    {
      ...{ urn: urn("homelab", keyType, "ssh-key"), type: keyType, id: "homelab", custom: true, parent },
      ...{ provider: `${provider}::${id}`, inputs },
      outputs: { ...inputs, publicKey, privateKey: secret("private-key-77aa") },
    },
  ]);
  const file = join(folder, "metal-1.ign");
  const written = await homespan("ignition", "metal-1", "homelab", ...settings, "--write", file);
  expect({ code: written.code, output: written.code === 0 ? "" : written.output }).toEqual({
    ...{ code: 0, output: "" },
  });
  expect(written.output).toContain("coreos-installer iso customize --dest-device /dev/disk/by-id/...");
  const text = readFileSync(file, "utf8");
  expect(text).toContain(publicKey);
  for (const value of [...Object.values(secrets), "private-key-77aa"]) expect(text).not.toContain(value);
  await run("ignition-validate", [file], { env: environment });
  const { stdout } = await homespan("ignition", "metal-1", "homelab", ...settings);
  expect(stdout).toBe(text);
});
