/** What a rehearsal takes from a stack's configuration, and what it changes of it. */
import { expect, test } from "vitest";
import { ownAuthority, ownMac, ownRegistry, rehearsedConfig } from "../../cli/rehearsed-config.ts";
import { applySettings, joinedStack, type StackFile } from "../../cli/settings.ts";

const file = (settings: readonly string[]): StackFile => applySettings({ config: {} }, settings);
const mac = 'mac={"address":"imac.local","port":2222,"user":"anna","hostKey":"ssh-ed25519 A","site":"home"}';

test("without anything said the region and the tailnet are made up, and there is no Mac", () => {
  expect(rehearsedConfig(file([]))).toEqual({
    ...{ region: "eu-central-1", domain: "rehearsal.ts.net", sshSources: [], mac: undefined },
    machines: undefined,
    control: { kind: "tailscale" },
  });
});

test("a Mac has the host name and the user of the configuration, and is found where it is", () => {
  expect(rehearsedConfig(file([mac])).mac).toEqual({ name: "imac", user: "anna" });
  expect(rehearsedConfig(file(['mac={"site":"home"}'])).mac).toEqual({ name: "mac", user: "admin" });
  expect(ownMac(file([mac]), undefined)).toEqual([]);
  const [setting = ""] = ownMac(file([mac]), { address: "10.89.0.7", user: "anna" });
  expect(JSON.parse(setting.slice("mac=".length))).toEqual({
    address: "10.89.0.7",
    user: "anna",
    site: "home",
  });
});

test("a registry is one more mirror", () => {
  expect(ownRegistry(file([]), undefined)).toEqual([]);
  const mirrors = { "localhost:5001": ["http://10.89.4.12:5000"] };
  const given = 'registryMirrors={"docker.io":["https://mirror.example.com"]}';
  const [setting = ""] = ownRegistry(file([given]), mirrors);
  expect(JSON.parse(setting.slice("registryMirrors=".length))).toEqual({
    "docker.io": ["https://mirror.example.com"],
    ...mirrors,
  });
});

test("a Headscale is trusted by the CA it has in the rehearsal, where one is named", () => {
  const headscale = (more: string) =>
    rehearsedConfig(file([`tailnet={"kind":"headscale","url":"https://hs.example.com"${more}}`])).control;
  expect(ownAuthority(headscale(""), "/ca.pem")).toEqual([]);
  expect(ownAuthority(headscale(',"caFile":"mine.pem"'), "/ca.pem")).toEqual(['tailnet.caFile="/ca.pem"']);
});

test("the stack that is joined is known by the last part of its name", () => {
  expect(joinedStack(file(["join=lightsail"]))).toBe("lightsail");
  expect(joinedStack(file(["join=organization/homespan/lightsail"]))).toBe("lightsail");
  expect(joinedStack(file([]))).toBeUndefined();
});

test("machines with Fedora CoreOS are refused with the setting that leaves them out", () => {
  const agents = 'agents=[{"coreos":{"address":"192.168.1.60"}},{"name":"agent-1","lima":{}}]';
  expect(() => rehearsedConfig(file([agents]))).toThrow(
    '`agents` must be without machines with Fedora CoreOS to be rehearsed, got 1; use: --set \'agents=[{"name":"agent-1","lima":{}}]\'',
  );
});
