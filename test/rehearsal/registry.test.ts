/** A rehearsal's image registry: made once, found again, made anew where it was lost or is asked for at another port. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureRegistry, wakeRegistry } from "../../rehearsal/registry.ts";
import { FakePodman } from "../provider/fake-podman.ts";
import { FakeClock, FakeRegistries } from "../provider/harness.ts";

const name = "homespan-rehearsal-lightsail-registry";
let folder: string;
let podman: FakePodman;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "homespan-registry-"));
  podman = new FakePodman();
  const network = "homespan-rehearsal-lightsail-internet";
  const labels = { "homespan.cluster": "rehearsal-lightsail" };
  podman.networks.set(network, { name: network, labels, subnet: "10.89.4.0/24", gateway: "10.89.4.1" });
  const world = {
    ...{ world: "rehearsal-lightsail", region: "eu-central-1", hosts: {}, publicRange: "198.18.1.0/24" },
    network: {
      name: "homespan-rehearsal-lightsail-cloud",
      subnet: "172.26.1.0/24",
      gateway: "172.26.1.1",
    },
  };
  writeFileSync(join(folder, "world.json"), JSON.stringify(world));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const ensure = (port: number) =>
  ensureRegistry(folder, port, { podman, registries: new FakeRegistries(), clock: new FakeClock() });

test("nodes are told where it is, by the name that images are pushed to", async () => {
  expect(await ensure(5001)).toEqual({ "localhost:5001": ["http://10.89.4.12:5000"] });
  expect(podman.containers.get(name)).toMatchObject({
    running: true,
    labels: { "homespan.cluster": "rehearsal-lightsail" },
  });
});

test("it is left alone while it runs, and made anew on what was pushed where it does not, or at another port", async () => {
  await ensure(5001);
  podman.commands.length = 0;
  expect(await ensure(5001)).toEqual({ "localhost:5001": ["http://10.89.4.12:5000"] });
  expect(podman.commands).toEqual([]);
  podman.containers.delete(name);
  await ensure(5001);
  expect(podman.containers.get(name)?.running).toBe(true);
  expect(await ensure(5002)).toEqual({ "localhost:5002": ["http://10.89.4.12:5000"] });
  expect(podman.commands.at(-2)).toContain("--publish 127.0.0.1:5002:5000");
  expect(podman.commands.filter((command) => command.startsWith("volume rm"))).toEqual([]);
});

test("one that was stopped runs again where the rehearsal is resumed, and one that never was does not", async () => {
  const effects = { podman, registries: new FakeRegistries(), clock: new FakeClock() };
  await wakeRegistry(folder, effects);
  expect(podman.containers.size).toBe(0);
  await ensure(5001);
  podman.containers.delete(name);
  await wakeRegistry(folder, effects);
  expect(podman.containers.get(name)?.running).toBe(true);
});

test("a port that is taken is named before anything is made", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    await expect(ensure(port)).rejects.toThrow(
      `\`--registry\` must be a free port, got ${String(port)} (EADDRINUSE); who has it: ss -ltnp`,
    );
    expect(podman.commands).toEqual([]);
  } finally {
    server.close();
  }
});
