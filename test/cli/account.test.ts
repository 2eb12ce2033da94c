/** What doctor says of the accounts of a stack of the cloud, and of the way to its machines. */
import { expect, test } from "vitest";
import { type AccountFacts, checkAccount } from "../../cli/doctor/account.ts";

const facts: AccountFacts = {
  cloud: true,
  rehearsed: false,
  awsCredentials: ["AWS_PROFILE"],
  onAws: false,
  tailnetKind: "tailscale",
  tailscaleCredentials: ["TAILSCALE_API_KEY"],
  plugins: [
    { name: "aws 7.48.0", installed: true },
    { name: "tailscale 0.29.1", installed: true },
  ],
  downloads: true,
  addresses: ["93.184.216.34"],
  sshAllowedCidrs: ["93.184.216.0/24"],
};
const check = (name: string, changes: Partial<AccountFacts>) =>
  checkAccount({ ...facts, ...changes }).find((it) => it.name === name);

test("accounts that are complete have no problem", () => {
  expect(checkAccount(facts).map(({ name, result }) => [name, result])).toEqual([
    ["aws", "ok"],
    ["tailscale", "ok"],
    ["plugins", "ok"],
    ["ssh", "ok"],
  ]);
});

test("a stack without AWS is asked for none of it", () => {
  expect(
    checkAccount({ ...facts, cloud: false, awsCredentials: [] }).map(({ name, result }) => [name, result]),
  ).toEqual([
    ["tailscale", "ok"],
    ["plugins", "ok"],
  ]);
});

test("where nothing is downloaded, libvirt's plugin is built, the others are not", () => {
  const found = (...names: string[]): string => {
    const plugins = names.map((name) => ({ name, installed: false }));
    const { result, fix } = check("plugins", { plugins, downloads: false }) ?? {};
    return `${result ?? ""}: ${fix ?? ""}`;
  };
  expect(found("terraform-provider 1.1.4")).toBe("notice: the first run builds it from its module");
  expect(found("aws 7.48.0")).toMatch(/^problem: Pulumi's own are downloaded, never built/);
  expect(found("aws 7.48.0", "terraform-provider 1.1.4")).toMatch(/^problem: Pulumi's own are downloaded/);
});

test.each<[string, Partial<AccountFacts>, string, RegExp]>([
  ["aws", { awsCredentials: [] }, "problem", /must be there, found none/],
  ["aws", { awsCredentials: [], onAws: true }, "notice", /this machine's role/],
  ["aws", { awsCredentials: [], rehearsed: true }, "ok", /asks for no credentials/],
  ["tailscale", { tailscaleCredentials: [] }, "problem", /found none$/],
  [
    "tailscale",
    { tailscaleCredentials: ["TAILSCALE_OAUTH_CLIENT_ID"] },
    "problem",
    /found TAILSCALE_OAUTH_CLIENT_ID alone/,
  ],
  [
    "tailscale",
    { tailscaleCredentials: ["TAILSCALE_OAUTH_CLIENT_ID", "TAILSCALE_OAUTH_CLIENT_SECRET"] },
    "ok",
    /come from/,
  ],
  ["tailscale", { tailscaleCredentials: [], tailnetKind: "headscale" }, "ok", /of kind headscale/],
  ["tailscale", { tailnetKind: undefined }, "notice", /the stack that is joined will say/],
  ["plugins", { plugins: [{ name: "aws 7.48.0", installed: false }] }, "notice", /missing: aws 7.48.0/],
  [
    "plugins",
    { plugins: [{ name: "aws 7.48.0", installed: false }], downloads: false },
    "problem",
    /missing: aws 7.48.0/,
  ],
  ["ssh", { sshAllowedCidrs: undefined }, "problem", /must name the network/],
  ["ssh", { addresses: ["93.184.215.14"] }, "problem", /\(93.184.216.0\/24\), got 93.184.215.14/],
  ["ssh", { addresses: ["192.168.1.7", "100.64.0.9"] }, "notice", /a router's, and not known here/],
  ["ssh", { sshAllowedCidrs: ["0.0.0.0/0"], addresses: ["192.168.1.7"] }, "ok", /192.168.1.7/],
  ["ssh", { sshAllowedCidrs: ["none", "1.2.3.4/99"], addresses: [] }, "notice", /not known here/],
])("%s: %j is a %s", (name, changes, result, message) => {
  const found = check(name, changes);
  expect(found?.result).toBe(result);
  expect(found?.message).toMatch(message);
  if (result === "problem") expect(found?.fix).not.toBeUndefined();
});
