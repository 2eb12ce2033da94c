/** TailnetOperator with Tailscale's real programs, in the tailnet of a real Headscale, and a peer in a container. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { hostAddress } from "../../components/render/address.ts";
import { renderHeadscaleConfig } from "../../components/render/headscale-config.ts";
import { images } from "../../components/upstream/images.ts";
import { systemEffects } from "../../provider/effects/effects.ts";
import { SystemTailnetOperators } from "../../provider/effects/operator.ts";
import { type Run, runProcess } from "../../provider/effects/process.ts";
import { systemClock } from "../../provider/effects/wait.ts";
import type { Properties } from "../../provider/server/values.ts";
import { cacheFolder } from "../../toolchain/folders.ts";
import { ProviderClient, plain } from "../provider/client.ts";

const provider = new ProviderClient();
const clusterName = `realop-${String(process.pid)}`;
const container = `homespan-${clusterName}-headscale`;
const peer = `homespan-${clusterName}-peer`;
const domain = `${clusterName}.tailnet.internal`;
const controlHostName = `control.homespan-${clusterName}.internal`;
const headscale = { kind: "headscale", container };
const path = `${join(cacheFolder(), "bin")}:${process.env["PATH"] ?? ""}`;
/** With the tools of the cache, also where this test is run without the wrapper. */
const runTools: Run = (program, args, options) =>
  runProcess("env", [`PATH=${path}`, program, ...args], options);
const podman = (args: readonly string[], input = ""): string =>
  execFileSync("podman", args, { encoding: "utf8", input }).trim();
/** What the provider knows is as old as a second. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1100));

let folder: string;
let network: Properties | undefined;
let server: Properties | undefined;
let serverAddress: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "op-"));
  await provider.serve({
    ...systemEffects(),
    operators: new SystemTailnetOperators(runTools, systemClock, {
      stateFolder: () => folder,
      environment: { PATH: path, HOME: folder },
    }),
  });
  network = (await provider.create("SiteNetwork", { clusterName, site: "wan" })).state;
  serverAddress = hostAddress(String(network["subnet"]), 10);
  const config = renderHeadscaleConfig({ controlHostName, address: serverAddress, domain });
  const inputs = { clusterName, networkName: network["networkName"], address: serverAddress };
  const image = images.headscale;
  server = (await provider.create("HeadscaleServer", { ...inputs, hostName: controlHostName, image, config }))
    .state;
  await startPeer();
});
afterAll(async () => {
  // Of a test that failed: it outlives whoever started it.
  await operators().stop(operators().directory(clusterName), {
    port: undefined,
    loginServer: "",
    caCertificate: "",
  });
  podman(["rm", "--force", "--ignore", "--time", "0", peer]);
  if (server !== undefined) await provider.delete("HeadscaleServer", server);
  if (network !== undefined) await provider.delete("SiteNetwork", network);
  provider.stop();
  await rm(folder, { recursive: true });
});

function key(hostName: string): Promise<{ state: Properties }> {
  const tags = ["tag:x"];
  return provider.create("HeadscaleKey", { headscale, user: "homespan", hostName, tags, identity: "v1" });
}

/** A device that answers HTTP on port 8080 of its tailnet address, under its name alone. */
async function startPeer(): Promise<void> {
  await writeFile(join(folder, "ca.pem"), String(server?.["caCertificate"]), { mode: 0o644 });
  podman([
    ...["run", "--detach", "--name", peer, "--network", String(network?.["networkName"])],
    ...["--label", `homespan.cluster=${clusterName}`, "--add-host", `${controlHostName}:${serverAddress}`],
    ...["--volume", `${join(folder, "ca.pem")}:/ca.pem:ro`, "--env", "SSL_CERT_FILE=/ca.pem"],
    ...["--entrypoint", "tailscaled", images.tailscale],
    ...["--tun=userspace-networking", "--statedir=/tmp", "--socket=/tmp/tailscaled.sock"],
  ]);
  const tailscale = (args: readonly string[], input?: string): string =>
    podman(["exec", "--interactive", peer, "tailscale", "--socket=/tmp/tailscaled.sock", ...args], input);
  await vi.waitFor(() => tailscale(["status", "--json", "--peers=false"]), {
    timeout: 20_000,
    interval: 300,
  });
  const up = ["up", `--login-server=https://${controlHostName}`, "--hostname=peer", "--timeout=60s"];
  tailscale([...up, "--auth-key=file:/dev/stdin"], String(plain((await key("peer")).state)["key"]));
  tailscale(["serve", "--bg", "--http=8080", "text:hello from the peer"]);
}

/**
 * What the peer says to who asks through the operator's proxy. A peer that has not heard yet of the operator's new key drops
 * its handshake, and WireGuard tries again every five seconds.
 */
function ask(state: Properties): Promise<string> {
  const { hostname, port } = new URL(String(state["proxyUrl"]));
  const authority = `peer.${domain}:8080`;
  return new Promise((resolve, reject) => {
    const tunnel = request({ host: hostname, port, method: "CONNECT", path: authority, timeout: 30_000 });
    tunnel.on("connect", (answer, socket) => {
      if (answer.statusCode !== 200) {
        socket.destroy();
        reject(new Error(String(answer.headers["tailscale-connect-error"])));
        return;
      }
      socket.write(`GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
      text(socket).then((all) => {
        resolve(all.split("\r\n").at(-1) ?? "");
      }, reject);
    });
    tunnel.on("timeout", () => tunnel.destroy(new Error("no answer in time")));
    tunnel.on("error", reject);
    tunnel.end();
  });
}

/** A process that was killed loses its command line before its sockets: for a moment a connection is taken, and reset. */
function nobodyListens(state: Properties): Promise<void> {
  const refused = async (): Promise<void> => {
    await expect(ask(state)).rejects.toThrow("ECONNREFUSED");
  };
  return vi.waitFor(refused, { timeout: 10_000, interval: 100 });
}

function operators(): SystemTailnetOperators {
  return new SystemTailnetOperators(runTools, systemClock, { stateFolder: () => folder });
}

async function pidOf(): Promise<number> {
  return (await operators().find(operators().directory(clusterName)))?.pid ?? 0;
}

it("reaches a peer by its name, heals, and leaves nothing", async () => {
  const first = await key(`${clusterName}-operator`);
  const inputs = {
    clusterName,
    // By its address: this machine's resolver knows nothing of it.
    loginServer: `https://${serverAddress}`,
    caCertificate: server?.["caCertificate"],
    hostName: `${clusterName}-operator`,
    authKey: first.state["key"],
    tailnet: headscale,
  };
  const wrong = { ...inputs, authKey: "hskey-auth-wrong" };
  await expect(provider.create("TailnetOperator", wrong)).rejects.toThrow(/could not log in to .*auth-key/);
  expect(existsSync(join(folder, "operators"))).toBe(false);

  const { state } = await provider.create("TailnetOperator", inputs);
  expect(await ask(state)).toContain("hello from the peer");
  await settle();
  expect(await provider.read("TailnetOperator", state)).toEqual(state);
  expect(await provider.read("HeadscaleKey", first.state)).toEqual(first.state);

  process.kill(await pidOf(), "SIGKILL");
  await expect.poll(pidOf, { timeout: 10_000 }).toBe(0);
  await nobodyListens(state);
  const dead = (await provider.read("TailnetOperator", state)) ?? {};
  expect(await provider.diff("TailnetOperator", dead, inputs)).toEqual({ running: "update" });
  expect(await provider.update("TailnetOperator", dead, inputs)).toEqual(state);
  expect(await ask(state)).toContain("hello from the peer");

  podman([
    ...["exec", container, "headscale", "nodes", "delete"],
    ...["--identifier", String(state["deviceId"]), "--force"],
  ]);
  await settle();
  const lost = (await provider.read("TailnetOperator", state)) ?? {};
  expect(lost["running"]).toBe(false);
  expect(await provider.read("HeadscaleKey", first.state)).toBeUndefined();
  const second = await key(inputs.hostName);
  const back = await provider.update("TailnetOperator", lost, { ...inputs, authKey: second.state["key"] });
  expect(back["deviceId"]).not.toBe(state["deviceId"]);
  expect(await ask(back)).toContain("hello from the peer");

  await settle();
  await provider.delete("TailnetOperator", back);
  expect(existsSync(join(folder, "operators"))).toBe(false);
  await nobodyListens(back);
  const devices = podman(["exec", container, "headscale", "nodes", "list", "--output", "json"]);
  expect(devices).toContain('"peer"');
  expect(devices).not.toContain(inputs.hostName);
  await provider.delete("TailnetOperator", back);
});
