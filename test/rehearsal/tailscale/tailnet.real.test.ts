/** A rehearsed tailnet with the real Headscale: real clients log in that are told no login server. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { images } from "../../../components/upstream/images.ts";
import { systemEffects } from "../../../provider/effects/effects.ts";
import { type RunningServer, serve } from "../../../provider/server/serve.ts";
import { type Properties, unwrapAll } from "../../../provider/server/values.ts";
import {
  TAILSCALE_VERSION,
  tailscalePackage,
  tailscaleResources,
} from "../../../rehearsal/clouds/tailscale/plugin/package.ts";
import { type DaemonState, daemonState, startDaemon, stopDaemon } from "../../../rehearsal/daemon/daemon.ts";
import { removeTailnet } from "../../../rehearsal/daemon/removal.ts";
import { type World, makeWorld, removeWorld } from "../../../rehearsal/world.ts";
import { cacheFolder } from "../../../toolchain/folders.ts";
import { type Made, PluginClient } from "../shared/plugin-client.ts";
import { DOMAIN } from "./stand-in.ts";

const KEY = "tailscale:index/tailnetKey:TailnetKey";
const ACL = "tailscale:index/acl:Acl";
const DNS = "tailscale:index/dnsPreferences:DnsPreferences";
const name = `realts${String(process.pid)}`;
const container = `homespan-${name}-client`;
const podman = (args: readonly string[], input = ""): string =>
  execFileSync("podman", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] }).trim();
const plain = ({ state }: Made): Properties => unwrapAll(state);

const policy = (tests: readonly unknown[] = []): string =>
  JSON.stringify({
    tagOwners: { "tag:x-agent": ["autogroup:admin"], "tag:x-operator": ["autogroup:admin"] },
    grants: [
      { src: ["tag:x-operator", "autogroup:admin"], dst: ["tag:x-agent"], ip: ["tcp:6443", "icmp:*"] },
    ],
    tests: [{ src: "tag:x-operator", proto: "tcp", accept: ["tag:x-agent:6443"] }, ...tests],
  });

let folder: string;
let world: World;
let daemon: DaemonState;
let server: RunningServer;
let plugin: PluginClient;
let operator: ChildProcess | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "homespan-realts-"));
  world = await makeWorld(folder, { world: name, region: "eu-central-1" });
  const orders = { domain: DOMAIN, cache: join(folder, "cache"), arch: "amd64" as const };
  daemon = await startDaemon({ folder, orders });
  const connection = {};
  const pack = tailscalePackage(connection, {
    TAILSCALE_BASE_URL: daemon.apiUrl,
    TAILSCALE_API_KEY: daemon.apiKey,
  });
  server = await serve(tailscaleResources(connection), TAILSCALE_VERSION, pack);
  plugin = new PluginClient(server.port);
  await plugin.configure({});
});
afterAll(async () => {
  operator?.kill("SIGKILL");
  plugin.close();
  server.stop();
  podman(["rm", "--force", "--ignore", "--time", "0", container]);
  await removeTailnet(folder, name, systemEffects());
  await removeWorld(folder, name);
  expect(podman(["ps", "--all", "--quiet", "--filter", `label=homespan.cluster=${name}`])).toBe("");
  expect(podman(["network", "ls", "--quiet", "--filter", `label=homespan.cluster=${name}`])).toBe("");
  expect(podman(["volume", "ls", "--quiet", "--filter", `label=homespan.cluster=${name}`])).toBe("");
  await rm(folder, { recursive: true, force: true });
});

interface Device {
  readonly nodeId: string;
  readonly hostname: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly addresses: readonly string[];
}

async function devices(): Promise<readonly Device[]> {
  const response = await fetch(`${daemon.apiUrl}/api/v2/tailnet/-/devices`, {
    headers: { authorization: `Bearer ${daemon.apiKey}` },
  });
  return ((await response.json()) as { devices: Device[] }).devices;
}

function key(tag: string): Promise<Made> {
  return plugin.create(KEY, { tags: [tag], preauthorized: true, expiry: 600, recreateIfInvalid: "never" });
}

interface Status {
  readonly BackendState: string;
  readonly MagicDNSSuffix: string;
  readonly Self: { readonly DNSName: string; readonly Tags: readonly string[] };
}

describe("a rehearsed tailnet", () => {
  it("takes a policy that nobody wrote before, and refuses one whose tests fail", async () => {
    const wrong = policy([{ src: "tag:x-agent", proto: "tcp", accept: ["tag:x-operator:22"] }]);
    await expect(plugin.create(ACL, { acl: wrong })).rejects.toThrow("test(s) failed");
    const made = await plugin.create(ACL, { acl: policy() });
    expect((await plugin.read(ACL, made.id, made.state))?.state).toEqual(made.state);
    await expect(plugin.create(ACL, { acl: policy() })).rejects.toThrow("Overwrite Protected");
    const inForce = podman(["exec", `homespan-${name}-headscale`, "headscale", "policy", "get"]);
    expect(JSON.parse(inForce)).toMatchObject({ tagOwners: { "tag:x-agent": ["owner@example.com"] } });
  });

  it("lets a client in that knows Tailscale's own control server alone", async () => {
    const made = await key("tag:x-agent");
    podman([
      ...["run", "--detach", "--name", container, "--label", `homespan.cluster=${name}`],
      ...["--network", world.network.name, "--volume", `${daemon.caFile}:/ca.pem:ro`],
      ...["--env", "SSL_CERT_FILE=/ca.pem", "--env", "TS_NO_LOGS_NO_SUPPORT=true"],
      ...Object.entries(daemon.hosts).map(([host, address]) => `--add-host=${host}:${address}`),
      ...[images.tailscale, "tailscaled", "--tun=userspace-networking", "--statedir=/tmp/ts"],
    ]);
    const inside = (argv: readonly string[], input = ""): string =>
      podman(["exec", "-i", container, ...argv], input);
    inside(["sh", "-c", "umask 077; cat >/tmp/key"], String(plain(made)["key"]));
    await eventually(() =>
      inside(["tailscale", "up", "--auth-key=file:/tmp/key", "--hostname=x-agent-1", "--timeout=20s"]),
    );
    const status = JSON.parse(inside(["tailscale", "status", "--json"])) as Status;
    expect(status).toMatchObject({
      BackendState: "Running",
      MagicDNSSuffix: DOMAIN,
      Self: { DNSName: `x-agent-1.${DOMAIN}.`, Tags: ["tag:x-agent"] },
    });
    const prefs = JSON.parse(inside(["tailscale", "debug", "prefs"])) as { ControlURL: string };
    expect(prefs.ControlURL).toBe("https://controlplane.tailscale.com");
    expect(await devices()).toMatchObject([
      { hostname: "x-agent-1", name: `x-agent-1.${DOMAIN}`, tags: ["tag:x-agent"] },
    ]);
    // Its relay and what tells it its own address are the rehearsal's too.
    const net = JSON.parse(inside(["tailscale", "netcheck", "--format=json"])) as {
      UDP: boolean;
      PreferredDERP: number;
    };
    expect(net).toMatchObject({ UDP: true, PreferredDERP: 999 });

    await settle();
    const used = (await plugin.read(KEY, made.id, made.state))!;
    expect(plain(used)["invalid"]).toBe(true);
    await plugin.delete(KEY, used);
  });

  it("lets this machine in through the proxy, as far as the policy says", async () => {
    const bin = join(cacheFolder(), "bin");
    const made = await key("tag:x-operator");
    const keyFile = join(folder, "operator.key");
    await writeFile(keyFile, String(plain(made)["key"]), { mode: 0o600 });
    const socket = `--socket=${join(folder, "ts.sock")}`;
    operator = spawn(
      join(bin, "tailscaled"),
      [
        "--tun=userspace-networking",
        `--statedir=${join(folder, "ts")}`,
        socket,
        "--port=0",
        "--no-logs-no-support",
      ],
      {
        stdio: "ignore",
        env: { ...process.env, HTTPS_PROXY: daemon.proxyUrl, SSL_CERT_FILE: daemon.caFile },
      },
    );
    const tailscale = (...args: string[]): string =>
      execFileSync(join(bin, "tailscale"), [socket, ...args], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      });
    await eventually(() =>
      tailscale("up", `--auth-key=file:${keyFile}`, "--hostname=x-operator", "--timeout=20s"),
    );
    expect(tailscale("ping", "--c=2", "--timeout=5s", "--until-direct=false", "x-agent-1")).toContain("pong");
    // With devices that they name, Headscale decides the tests too.
    const tests = [{ src: "tag:x-agent", proto: "tcp", deny: ["tag:x-operator:22"] }];
    const other = await plugin.create(ACL, { acl: policy(tests), overwriteExistingContent: true });
    expect(podman(["exec", `homespan-${name}-headscale`, "headscale", "policy", "get"])).toContain('"deny"');
    await plugin.update(ACL, other, { acl: policy(), overwriteExistingContent: true });
  });

  it("turns MagicDNS off and on, and forgets nothing when its daemon ends", async () => {
    const preferences = await plugin.create(DNS, { magicDns: true });
    await plugin.delete(DNS, preferences);
    expect((await plugin.read(DNS, preferences.id, preferences.state))?.state).toEqual({ magicDns: false });
    await plugin.create(DNS, { magicDns: true });
    await stopDaemon(folder);
    expect(await daemonState(folder)).toBeUndefined();
    const again = await startDaemon({ folder, orders: daemon.orders });
    expect({ ...again, pid: 0 }).toEqual({ ...daemon, pid: 0 });
    expect((await devices()).map(({ hostname }) => hostname).sort()).toEqual(["x-agent-1", "x-operator"]);
  });

  it("removes a device", async () => {
    const [agent] = (await devices()).filter(({ hostname }) => hostname === "x-agent-1");
    const response = await fetch(`${daemon.apiUrl}/api/v2/device/${agent?.nodeId ?? ""}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${daemon.apiKey}` },
    });
    expect(response.status).toBe(200);
    expect((await devices()).map(({ hostname }) => hostname)).toEqual(["x-operator"]);
  });
});

/** Keys' answers are shared for a second. */
const settle = (): Promise<void> => sleep(1100);

async function eventually(work: () => unknown): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      work();
      return;
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(250);
    }
  }
}
