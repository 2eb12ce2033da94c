/** A rehearsal's image registry: made once, found again, made anew where it was lost or is asked for at another port. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { endRegistry, ensureRegistry } from "../../rehearsal/registry.ts";
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
  expect(podman.commands.filter((command) => command.startsWith("volume rm"))).toEqual([]);
});

test("its container goes before the network it is in, and one that never was is no matter", async () => {
  await endRegistry("rehearsal-lightsail", { podman });
  await ensure(5001);
  await endRegistry("rehearsal-lightsail", { podman });
  expect(podman.containers.has(name)).toBe(false);
});
