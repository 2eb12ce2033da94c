/** What is said about a Headscale server before anything is made: all of it at once. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { policyMark } from "../../components/render/tailnet-policy.ts";
import { formatProblem } from "../../stacks/grammar.ts";
import { tailnetAccess } from "../../stacks/headscale-access.ts";
import { checkLightsailConfig, type LightsailConfig } from "../../stacks/lightsail-config.ts";
import { FakeHeadscaleServer, HEADSCALE_KEY } from "../provider/fake-headscale-server.ts";

let server: FakeHeadscaleServer;
let folder: string;
beforeEach(async () => {
  server = new FakeHeadscaleServer();
  await server.start();
  folder = mkdtempSync(join(tmpdir(), "headscale-access-"));
  writeFileSync(join(folder, "ca.pem"), `home\n${server.authority}`);
});
afterEach(() => {
  server.stop();
  rmSync(folder, { recursive: true });
});

function configOf(changes: object = {}): LightsailConfig {
  const caFile = join(folder, "ca.pem");
  const tailnet = { kind: "headscale", url: server.url, domain: "tailnet.example.com", caFile, ...changes };
  const { config, problems } = checkLightsailConfig({
    stackName: "prod",
    values: {
      region: "eu-central-1",
      servers: '[{"bundleId":"medium_3_0"}]',
      sshAllowedCidrs: '["203.0.113.7/32"]',
      tailnet: JSON.stringify(tailnet),
    },
  });
  if (config === undefined) throw new Error(problems.map(formatProblem).join("\n"));
  return config;
}

async function said(changes: object = {}, key: string | undefined = HEADSCALE_KEY): Promise<string[]> {
  const { problems } = await tailnetAccess(configOf(changes), { HEADSCALE_API_KEY: key });
  return problems.map(formatProblem);
}

test("nothing, where all is well: the certificates of its CA alone go on", async () => {
  const access = await tailnetAccess(configOf(), { HEADSCALE_API_KEY: HEADSCALE_KEY });
  expect(access).toEqual({ caCertificate: `${server.authority.trim()}\n`, problems: [] });
});

test("nothing is asked of Tailscale", async () => {
  const config = { ...configOf(), tailnet: { kind: "tailscale" } as LightsailConfig["tailnet"] };
  expect(await tailnetAccess(config, {})).toEqual({ caCertificate: "", problems: [] });
  expect(server.requests).toEqual([]);
});

test("a missing key, an old release and a policy that others wrote", async () => {
  server.version = { version: "v0.26.1" };
  server.policy = "{}";
  expect(await said({}, "")).toEqual([
    `\`HEADSCALE_API_KEY\` must be set in the environment, to an API key of ${server.url} (headscale apikeys create)`,
    `\`tailnet.url\` must be of Headscale 0.29 or newer, and is of v0.26.1, got "${server.url}"`,
  ]);
  const [old, policy, ...more] = await said();
  expect(more).toEqual([]);
  expect(old).toContain("0.29 or newer");
  expect(policy).toMatch(
    /^`tailnet.policy` must be elsewhere, as others have written the server's policy; merge this into it then, or let this take its place \(`tailnet.adopt: true`\):\n\/\/ Written by Homespan for the cluster prod/,
  );
  for (const change of [{ policy: "elsewhere" }, { adopt: true }]) {
    expect(await said(change)).toEqual([old]);
  }
  server.policy = `${policyMark("prod")}\n{}`;
  expect(await said()).toEqual([old]);
});

test("a key that is refused, without the key", async () => {
  expect(await said({}, "hskey-api-wrong")).toEqual([
    `\`HEADSCALE_API_KEY\` must be a valid API key of ${server.url} (headscale apikeys list), and was refused`,
  ]);
});

test("a server that does not answer, and one that is not trusted", async () => {
  expect(await said({ url: "https://127.0.0.1:1" })).toEqual([
    expect.stringMatching(/^`tailnet.url` must answer from this machine \(.*ECONNREFUSED.*\), got /),
  ]);
  expect(await said({ caFile: undefined })).toEqual([
    expect.stringMatching(
      /^`tailnet.url` must have a certificate that is trusted: `tailnet.caFile` names the CA of a private one \(/,
    ),
  ]);
});

test("a policy that the server keeps in a file", async () => {
  server.policyMode = "file";
  expect(await said()).toEqual([
    expect.stringMatching(
      /^`tailnet.policy` must be elsewhere, as the server keeps its policy in a file; .*policy.mode: database.*:\n\/\/ Written/,
    ),
  ]);
  expect(await said({ policy: "elsewhere" })).toEqual([]);
});

test("a CA file that is not there, holds something else, or a private key", async () => {
  writeFileSync(join(folder, "key.pem"), `-----BEGIN PRIVATE KEY-----\n${server.authority}`);
  writeFileSync(join(folder, "broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const of = async (name: string): Promise<string[]> => said({ caFile: join(folder, name) });
  expect(await of("none.pem")).toEqual([
    expect.stringMatching(/^`tailnet.caFile` must be a file that can be read, from .* on, got .*none\.pem"$/),
  ]);
  expect(await of("key.pem")).toEqual([
    expect.stringContaining("`tailnet.caFile` must be a file without a private key"),
  ]);
  expect(await of("broken.pem")).toEqual([
    expect.stringContaining("`tailnet.caFile` must be a file with a certificate in PEM"),
  ]);
});
