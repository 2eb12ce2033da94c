/** The daemon of a rehearsal as a process of its own; its control server is in memory. */
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isAlive } from "../../../toolchain/process.ts";
import {
  type DaemonOptions,
  daemonState,
  startDaemon,
  stopDaemon,
} from "../../../rehearsal/daemon/daemon.ts";
import { readWorld } from "../../../rehearsal/world.ts";

const DOMAIN = "tail0a1b2c.ts.net";
let folder: string;
let options: DaemonOptions;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "homespan-daemon-"));
  const network = { name: "homespan-x-cloud", subnet: "127.0.0.0/24", gateway: "127.0.0.1" };
  const world = { world: "x", region: "eu-central-1", network, publicRange: "198.18.1.0/24" };
  writeFileSync(join(folder, "world.json"), JSON.stringify(world));
  const program = (name: string) => {
    const path = join(folder, name);
    writeFileSync(path, name, { mode: 0o755 });
    return { path, version: "1.0.0" };
  };
  options = {
    folder,
    orders: {
      domain: DOMAIN,
      cache: join(folder, "cache"),
      arch: "amd64",
      programs: { k3s: program("k3s"), tailscale: program("tailscale"), tailscaled: program("tailscaled") },
    },
    waitSeconds: 15,
    main: join(import.meta.dirname, "fake-main.ts"),
  };
});
afterEach(async () => {
  await stopDaemon(folder);
  await rm(folder, { recursive: true, force: true });
});

describe("the daemon", () => {
  it("starts once, serves everything, and ends or is killed with nothing lost", async () => {
    expect(await daemonState(folder)).toBeUndefined();
    const [first, beside] = await Promise.all([startDaemon(options), startDaemon(options)]);
    expect(beside).toEqual(first);
    expect(await startDaemon(options)).toEqual(first);
    expect(await daemonState(folder)).toEqual(first);
    expect(JSON.parse(await readFile(join(folder, "daemon.json"), "utf8"))).toEqual(first);
    expect(first).toMatchObject({
      hosts: { "controlplane.tailscale.com": "127.0.0.77" },
      caFile: join(folder, "ca.pem"),
      artifactsFile: join(folder, "artifacts.json"),
    });
    expect(await readFile(first.caFile, "utf8")).toBe("the authority\n");
    expect(await readWorld(folder)).toMatchObject({ hosts: first.hosts, caFile: first.caFile });

    const authorization = `Bearer ${first.apiKey}`;
    const preferences = `${first.apiUrl}/api/v2/tailnet/${DOMAIN}/dns/preferences`;
    const changed = await fetch(preferences, {
      method: "POST",
      headers: { authorization },
      body: JSON.stringify({ magicDNS: false }),
    });
    expect(changed.status).toBe(200);
    expect((await fetch(first.proxyUrl)).status).toBe(403);
    const artifacts = JSON.parse(await readFile(first.artifactsFile, "utf8")) as {
      k3s: { amd64: { urls: string[] } };
    };
    const [url = ""] = artifacts.k3s.amd64.urls;
    expect(url.startsWith(`${first.mirrorUrl}/`)).toBe(true);
    expect(await (await fetch(url)).text()).toBe("k3s");

    for (const name of await readdir(folder)) {
      const text = await readFile(join(folder, name), "utf8").catch(() => "");
      if (!text.includes(first.apiKey)) continue;
      expect([name, (await stat(join(folder, name))).mode & 0o077]).toEqual([name, 0]);
    }
    expect(readFileSync(`/proc/${String(first.pid)}/cmdline`, "utf8")).not.toContain(first.apiKey);
    expect(await readFile(join(folder, "daemon.log"), "utf8")).not.toContain(first.apiKey);

    const tunnel = connect(first.ports.proxy, "127.0.0.1");
    tunnel.write(`CONNECT 127.0.0.1:${String(first.ports.api)} HTTP/1.1\r\n\r\n`);
    await once(tunnel, "data");
    await stopDaemon(folder);
    await stopDaemon(folder);
    expect(isAlive(first.pid)).toBe(false);
    expect(await daemonState(folder)).toBeUndefined();
    expect(await readFile(join(folder, "daemon.log"), "utf8")).toMatch(/ready: .*\nstopped\n$/s);
    const again = await startDaemon(options);
    // Whoever was told an address or a credential finds it good.
    expect({ ...again, pid: 0 }).toEqual({ ...first, pid: 0 });
    expect(await (await fetch(preferences, { headers: { authorization } })).json()).toEqual({
      magicDNS: false,
    });

    process.kill(again.pid, "SIGKILL");
    const other = await startDaemon({ ...options, orders: { ...options.orders, domain: "tail9.ts.net" } });
    expect(other.pid).not.toBe(again.pid);
    expect(other).toMatchObject({ apiKey: first.apiKey, orders: { domain: "tail9.ts.net" } });
  });

  it("says why it did not come up, and leaves nothing behind", async () => {
    rmSync(join(folder, "world.json"));
    await expect(startDaemon(options)).rejects.toThrow(
      `the rehearsal's daemon ended: ${folder} must hold a rehearsal's world, found none`,
    );
    expect(await daemonState(folder)).toBeUndefined();
  });
});
