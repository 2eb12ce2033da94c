/** The stand-in for Tailscale's Pulumi provider over gRPC, with the stand-in for Tailscale's API behind it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningServer, serve } from "../../../provider/server/serve.ts";
import { type Properties, containsSecret, unwrapAll } from "../../../provider/server/values.ts";
import {
  TAILSCALE_VERSION,
  tailscalePackage,
  tailscaleResources,
} from "../../../rehearsal/clouds/tailscale/plugin/package.ts";
import { type Made, PluginClient } from "../shared/plugin-client.ts";
import { StandIn, tagged } from "./stand-in.ts";

const KEY = "tailscale:index/tailnetKey:TailnetKey";
const ACL = "tailscale:index/acl:Acl";
const DNS = "tailscale:index/dnsPreferences:DnsPreferences";

let api: StandIn;
let server: RunningServer;
let plugin: PluginClient;
let environment: Record<string, string>;
beforeEach(async () => {
  api = new StandIn();
  await api.start();
  environment = { TAILSCALE_BASE_URL: api.url, TAILSCALE_API_KEY: api.account.books.credentials.apiKey };
  const connection = {};
  const pack = tailscalePackage(connection, environment);
  server = await serve(tailscaleResources(connection), TAILSCALE_VERSION, pack);
  plugin = new PluginClient(server.port);
});
afterEach(async () => {
  plugin.close();
  server.stop();
  await api.stop();
});
const plain = ({ state }: Made): Properties => unwrapAll(state);
const problemsOf = async (config: Properties): Promise<string[]> =>
  (await plugin.checkConfig(config)).problems;
const diff = async (type: string, made: Made, news: Properties): Promise<Readonly<Record<string, string>>> =>
  (await plugin.diff(type, made, news)).changes;
const read = (type: string, { id, state }: Made): Promise<Made | undefined> => plugin.read(type, id, state);

describe("the provider's configuration", () => {
  it("comes from the environment or the program, and has to be a rehearsal's", async () => {
    expect(TAILSCALE_VERSION).toBe("0.29.1");
    const userAgent = "Pulumi/3.0";
    expect(await problemsOf({ userAgent })).toEqual([]);
    expect(await problemsOf({ apikey: "x" })).toEqual([
      '`apikey` must be a known property, got an unknown name; did you mean "apiKey"?',
    ]);
    expect((await problemsOf({ baseUrl: "https://api.tailscale.com" }))[0]).toContain("that of a rehearsal");
    expect((await problemsOf({ oauthClientId: "x", oauthClientSecret: "y" }))[0]).toContain("got both");
    expect((await problemsOf({ identityToken: "x" }))[0]).toContain("no federated identities");
    delete environment["TAILSCALE_API_KEY"];
    expect((await problemsOf({}))[0]).toContain("got nothing");
    const { oauthClientId, oauthClientSecret } = api.account.books.credentials;
    const scopes = JSON.stringify(["policy_file"]);
    await plugin.configure({ oauthClientId, oauthClientSecret, scopes });
    expect((await plugin.create(DNS, { magicDns: true })).state).toEqual({ magicDns: true });
    delete environment["TAILSCALE_BASE_URL"];
    await expect(plugin.configure({ oauthClientId, oauthClientSecret })).rejects.toThrow(
      "TAILSCALE_BASE_URL",
    );
  });

  it("is needed before anything else", async () => {
    await expect(plugin.create(DNS, { magicDns: true })).rejects.toThrow("must be configured");
  });
});

describe("TailnetKey", () => {
  const wanted = {
    tags: ["tag:x-agent", "tag:x-other"],
    preauthorized: true,
    expiry: 3600,
    description: "x-agent-1",
    recreateIfInvalid: "never",
  };
  beforeEach(async () => {
    await plugin.configure({});
    await api.call("POST", "acl", JSON.stringify({ tagOwners: { "tag:x-agent": [], "tag:x-other": [] } }));
  });

  it("is made with the provider's defaults, and its key is a secret", async () => {
    const preview = await plugin.create(KEY, wanted, true);
    expect(api.account.books.keys).toEqual({});
    expect(preview.state).toHaveProperty("key");
    const kept = await plugin.create(KEY, wanted);
    expect(containsSecret(kept.state["key"])).toBe(true);
    expect(plain(kept)).toEqual({
      ...wanted,
      reusable: false,
      ephemeral: false,
      userId: api.account.books.userId,
      key: expect.stringMatching(/^hskey-auth-/) as string,
      createdAt: "2026-11-21T12:00:00Z",
      expiresAt: "2026-11-21T13:00:00Z",
      invalid: false,
    });
    expect(await diff(KEY, kept, wanted)).toEqual({});
    // Tags are a set, and a default said aloud is no change.
    const said = { ...wanted, tags: [...wanted.tags].reverse(), reusable: false, ephemeral: false };
    expect(await diff(KEY, kept, said)).toEqual({});
    const again = await read(KEY, kept);
    expect(plain(again!)).toEqual(plain(kept));
    expect((await plugin.create(KEY, {})).state).toMatchObject({
      expiry: 90 * 24 * 3600,
      tags: [],
      description: "",
    });
  });

  it("is another one with any other order, and strict about it", async () => {
    const kept = await plugin.create(KEY, wanted);
    for (const [name, value] of Object.entries({
      reusable: true,
      ephemeral: true,
      tags: ["tag:x-agent"],
      preauthorized: false,
      expiry: 60,
      description: "other",
    })) {
      expect(await diff(KEY, kept, { ...wanted, [name]: value })).toEqual({ [name]: "replace" });
    }
    expect(await diff(KEY, kept, { ...wanted, recreateIfInvalid: "always" })).toEqual({
      recreateIfInvalid: "update",
    });
    const updated = await plugin.update(KEY, kept, { ...wanted, recreateIfInvalid: "always" });
    expect(plain(updated)).toEqual({ ...plain(kept), recreateIfInvalid: "always" });
    const problems = async (news: Properties): Promise<string[]> => (await plugin.check(KEY, news)).problems;
    expect(await problems({ tag: ["tag:x"] })).toEqual([
      '`tag` must be a known property, got an unknown name; did you mean "tags"?',
    ]);
    expect((await problems({ recreateIfInvalid: "no" }))[0]).toContain('"always", "never"');
    expect((await problems({ expiry: "3600" }))[0]).toContain("`expiry` must be");
    await expect(plugin.create(KEY, { tags: ["tag:unowned"] })).rejects.toThrow(
      "requested tags [tag:unowned] are invalid or not permitted (400)",
    );
  });

  it("stays when it is used up, and comes again where it should", async () => {
    const once = await plugin.create(KEY, wanted);
    api.control.login(String(plain(once)["key"]), "x-agent-1");
    const used = (await read(KEY, once))!;
    expect(plain(used)).toEqual({ ...plain(once), invalid: true });
    expect(await diff(KEY, used, wanted)).toEqual({});
    const { recreateIfInvalid: _, ...silent } = wanted;
    expect(await diff(KEY, used, silent)).toEqual({ recreateIfInvalid: "delete" });
    const always = { ...wanted, recreateIfInvalid: "always" };
    expect(await diff(KEY, used, always)).toEqual({ recreateIfInvalid: "update", invalid: "replace" });
    await plugin.delete(KEY, used);

    const many = await plugin.create(KEY, { reusable: true, expiry: 60 });
    api.now += 61_000;
    const over = (await read(KEY, many))!;
    expect(plain(over)["invalid"]).toBe(true);
    expect(await diff(KEY, over, { reusable: true, expiry: 60 })).toEqual({ invalid: "replace" });
    await plugin.delete(KEY, over);
    await plugin.delete(KEY, over);
  });

  it("can be imported, without the key itself", async () => {
    const kept = await plugin.create(KEY, wanted);
    const imported = await plugin.read(KEY, kept.id, {});
    expect(plain(imported!)).toMatchObject({ tags: wanted.tags, key: "", expiry: 3600 });
    expect(await plugin.read(KEY, "kothersCNTRL", {})).toBeUndefined();
  });
});

describe("Acl", () => {
  beforeEach(() => plugin.configure({}));

  it("never overwrites a policy that somebody wrote", async () => {
    await api.call("POST", "acl", tagged("tag:theirs"));
    await expect(plugin.create(ACL, { acl: tagged("tag:ours") })).rejects.toThrow("Overwrite Protected");
    expect((await api.call("GET", "acl")).text).toBe(tagged("tag:theirs"));
    const imported = (await plugin.read(ACL, "acl", {}))!;
    expect(imported.state).toEqual({ acl: tagged("tag:theirs") });
    expect(await diff(ACL, imported, { acl: tagged("tag:ours") })).toEqual({ acl: "update" });
    await plugin.create(ACL, { acl: tagged("tag:ours"), overwriteExistingContent: true });
    expect((await api.call("GET", "acl")).text).toBe(tagged("tag:ours"));
  });

  it("lives, is found changed, and leaves the policy behind", async () => {
    const kept = await plugin.create(ACL, { acl: tagged("tag:a") });
    expect((await read(ACL, kept))?.state).toEqual(kept.state);
    const laidOut = JSON.stringify(JSON.parse(tagged("tag:a")), null, 2);
    expect(await diff(ACL, kept, { acl: laidOut })).toEqual({});
    await api.call("POST", "acl", tagged("tag:b"));
    const drifted = (await read(ACL, kept))!;
    expect(await diff(ACL, drifted, { acl: tagged("tag:a") })).toEqual({ acl: "update" });
    await plugin.update(ACL, drifted, { acl: tagged("tag:a") });
    await plugin.delete(ACL, kept);
    expect((await api.call("GET", "acl")).text).toBe(tagged("tag:a"));
    await plugin.delete(ACL, { ...kept, state: { acl: tagged("tag:a"), resetAclOnDestroy: true } });
    expect((await api.call("GET", "acl")).text).toContain("// Example/default");
  });

  it("is refused when it is no HuJSON, and when one of its tests fails", async () => {
    expect((await plugin.check(ACL, { acl: "{" })).problems[0]).toContain("`acl` must be HuJSON");
    expect((await plugin.check(ACL, {})).problems[0]).toContain("`acl` must be a string");
    const tests = [{ src: "tag:a", proto: "tcp", deny: ["tag:a:6443"] }];
    await expect(plugin.create(ACL, { acl: tagged("tag:a", { tests }) })).rejects.toThrow(
      /Failed to set ACL: test\(s\) failed: .*tag:a:6443.* \(400\)/,
    );
    expect((await api.call("GET", "acl")).text).toContain("// Example/default");
  });
});

describe("DnsPreferences", () => {
  it("turns MagicDNS on, and off with its end", async () => {
    await plugin.configure({});
    const kept = await plugin.create(DNS, { magicDns: true });
    expect(api.magicDns).toEqual([]);
    await api.call("POST", "dns/preferences", { magicDNS: false });
    const drifted = (await read(DNS, kept))!;
    expect(await diff(DNS, drifted, { magicDns: true })).toEqual({ magicDns: "update" });
    await plugin.update(DNS, drifted, { magicDns: true });
    await plugin.delete(DNS, kept);
    expect(api.magicDns).toEqual([false, true, false]);
  });
});

describe("the program", () => {
  const program = join(
    import.meta.dirname,
    "../../../rehearsal/clouds/tailscale/plugin/pulumi-resource-tailscale",
  );

  it("starts through the link in a rehearsal's plugin folder, and nowhere else", async () => {
    const link = join(api.folder, "pulumi-resource-tailscale");
    await symlink(program, link);
    const child = spawn(link, [], { env: { ...process.env, HOMESPAN_REHEARSAL: api.folder } });
    const [port] = (await once(child.stdout, "data")) as [Buffer];
    expect(port.toString()).toMatch(/^\d+\n$/);
    child.kill("SIGKILL");
    const outside = await execa(program, [], { env: { HOMESPAN_REHEARSAL: "" }, reject: false });
    expect([outside.exitCode, outside.stderr]).toEqual([1, expect.stringContaining("HOMESPAN_REHEARSAL")]);
  });
});

describe("what it does not stand in for", () => {
  it("is an error", async () => {
    await expect(plugin.check("tailscale:index/webhook:Webhook", {})).rejects.toThrow(
      "the stand-in for tailscale",
    );
  });
});
