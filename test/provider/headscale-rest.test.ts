/** Headscale's HTTP API: what is asked, what is made of the answers, and when its program is asked instead. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeAuthority, makeLeaf } from "../../provider/effects/certificates.ts";
import { HeadscaleRest } from "../../provider/effects/headscale-rest.ts";
import { HeadscaleProgram } from "../../provider/effects/headscale.ts";
import { FakePodman, done } from "./fake-podman.ts";

const ref = { kind: "headscale", container: "homespan-ci-headscale" } as const;
const serverName = "control.homespan-ci.internal";
const node = {
  id: "7",
  name: "ci-agent-1",
  givenName: "ci-agent-1",
  tags: ["tag:ci-agent"],
  ipAddresses: ["100.64.0.2"],
  online: true,
};

let folder: string;
let server: Server;
let url: string;
let requests: { line: string; key: string | undefined; body: unknown }[];
let answers: Record<string, [number, unknown]>;
let podman: FakePodman;
let commands: string[];
let headscale: HeadscaleRest;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "headscale-rest-"));
  const authority = await makeAuthority("test", Date.now());
  const leaf = await makeLeaf(authority, serverName, "127.0.0.1", Date.now());
  writeFileSync(join(folder, "ca.crt"), authority.certificate);
  requests = [];
  answers = { "GET /health": [200, { status: "pass" }], "GET /api/v1/user": [200, { users: [] }] };
  server = createServer({ cert: leaf.certificate, key: leaf.key }, (incoming, outgoing) => {
    let text = "";
    incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
    incoming.on("end", () => {
      const line = `${incoming.method ?? ""} ${incoming.url ?? ""}`;
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      requests.push({ line, key: incoming.headers.authorization, body });
      const [status, answer] = answers[line] ?? [501, { message: `nobody prepared ${line}` }];
      outgoing.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  podman = new FakePodman();
  podman.volumes.set(`${ref.container}-data`, {
    name: `${ref.container}-data`,
    labels: {},
    mountpoint: folder,
  });
  commands = [];
  podman.exec = (_container, argv) => {
    commands.push(argv.slice(1, 3).join(" "));
    return Promise.resolve(done(argv[1] === "apikeys" ? '"hskey-api-1"' : "null"));
  };
  headscale = new HeadscaleRest(podman, new HeadscaleProgram(podman));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

const open = (): Promise<boolean> => headscale.open(ref, { url, serverName });

describe("the way in", () => {
  it("is made once, for root alone, and kept while it works", async () => {
    expect(await open()).toBe(true);
    expect(await open()).toBe(true);
    expect(commands).toEqual(["apikeys create"]);
    const path = join(folder, "homespan-api.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ url, serverName, apiKey: "hskey-api-1" });
    expect(requests.at(-1)).toMatchObject({ line: "GET /api/v1/user", key: "Bearer hskey-api-1" });
  });

  it("is made anew for a server that does not know it", async () => {
    await open();
    answers["GET /api/v1/user"] = [401, "Unauthorized"];
    expect(await open()).toBe(true);
    expect(commands).toEqual(["apikeys create", "apikeys create"]);
  });

  it("is not there while the server starts", async () => {
    answers["GET /health"] = [503, {}];
    expect(await open()).toBe(false);
    expect(await headscale.open(ref, { url: "https://127.0.0.1:1", serverName })).toBe(false);
    expect(commands).toEqual([]);
  });

  it("is not asked for where the volume is on another machine: the program is", async () => {
    rmSync(folder, { recursive: true });
    expect(await open()).toBe(true);
    expect(await headscale.devices(ref)).toEqual([]);
    expect(commands).toEqual(["nodes list"]);
    mkdirSync(folder);
  });

  it("is not asked for without root, where whoever answers at that address is somebody else", async () => {
    const rootless = new HeadscaleRest(podman, new HeadscaleProgram(podman), { routed: false });
    expect(await rootless.open(ref, { url, serverName })).toBe(true);
    expect(await rootless.devices(ref)).toEqual([]);
    expect(requests).toEqual([]);
    expect(existsSync(join(folder, "homespan-api.json"))).toBe(false);
  });

  it("insists on the server's own authority", async () => {
    await open();
    writeFileSync(join(folder, "ca.crt"), (await makeAuthority("another", Date.now())).certificate);
    const fresh = new HeadscaleRest(podman, new HeadscaleProgram(podman));
    expect(await fresh.devices(ref)).toBeUndefined();
  });
});

describe("questions", () => {
  beforeEach(open);

  it("list devices once for all who ask at the same time, and again after a removal", async () => {
    answers["GET /api/v1/node"] = [200, { nodes: [node] }];
    answers["DELETE /api/v1/node/7"] = [200, {}];
    const [first] = await Promise.all([headscale.devices(ref), headscale.devices(ref)]);
    expect(first).toEqual([
      {
        id: "7",
        hostName: "ci-agent-1",
        givenName: "ci-agent-1",
        tags: ["tag:ci-agent"],
        addresses: ["100.64.0.2"],
        online: true,
      },
    ]);
    await headscale.removeDevice(ref, "7");
    await headscale.devices(ref);
    expect(requests.filter(({ line }) => line === "GET /api/v1/node")).toHaveLength(2);
  });

  it("make keys for the user, single use and tagged", async () => {
    answers["POST /api/v1/user"] = [200, { user: { id: "3", name: "homespan" } }];
    answers["POST /api/v1/preauthkey"] = [200, { preAuthKey: { id: "5", key: "hskey-auth-5" } }];
    expect(await headscale.ensureUser(ref, "homespan")).toBe(true);
    const options = { user: "homespan", tags: ["tag:ci-agent"], expirySeconds: 60, shared: false };
    expect(await headscale.createKey(ref, options)).toEqual({ id: "5", key: "hskey-auth-5" });
    const made = requests.at(-1)?.body as Record<string, unknown>;
    expect(made).toMatchObject({ user: "3", reusable: false, ephemeral: false, aclTags: ["tag:ci-agent"] });
    expect(Date.parse(String(made["expiration"])) - Date.now()).toBeGreaterThan(50_000);
    await expect(headscale.createKey(ref, { ...options, user: "nobody" })).rejects.toThrow(
      '`user` must exist in Headscale, got "nobody"',
    );
  });

  it("take a user that is there, a policy that is not, and what is gone already", async () => {
    answers["POST /api/v1/user"] = [500, { message: "UNIQUE constraint failed: users.name" }];
    answers["GET /api/v1/policy"] = [500, { message: "loading ACL from database: acl policy not found" }];
    answers["DELETE /api/v1/preauthkey?id=5"] = [500, { message: "record not found" }];
    expect(await headscale.ensureUser(ref, "homespan")).toBe(true);
    expect(await headscale.policy(ref)).toBe("");
    await headscale.removeKey(ref, "5");
  });

  it("tell what Headscale says of a policy it refuses", async () => {
    answers["PUT /api/v1/policy"] = [400, { message: "test(s) failed" }];
    await expect(headscale.setPolicy(ref, "{}")).rejects.toThrow(
      "Headscale refused PUT /api/v1/policy: test(s) failed",
    );
  });

  it("are left open by a server that is gone", async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await headscale.devices(ref)).toBeUndefined();
    expect(await headscale.keys(ref)).toBeUndefined();
    expect(await headscale.policy(ref)).toBeUndefined();
    expect(existsSync(join(folder, "homespan-api.json"))).toBe(true);
    await new Promise<void>((resolve) => server.listen(0, resolve));
  });
});
