/** The machine at home over a Podman in memory: where it stands, whom it lets in, and that it goes with its world. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { homeKeyFile, startHomeMachine } from "../../../rehearsal/machines/home-machine.ts";
import { removeWorld } from "../../../rehearsal/world.ts";
import { FakeWorld } from "./fake-world.ts";

let world: FakeWorld;

beforeEach(async () => {
  world = new FakeWorld();
  await world.make();
});
afterEach(() => {
  world.remove();
});

const start = (): ReturnType<typeof startHomeMachine> => startHomeMachine(world.folder, world.effects);
const seed = (name: string): string => readFileSync(join(world.folder, "machines/home/seed", name), "utf8");

test("stands in a network of its own, to which nobody in the cloud opens a connection", async () => {
  expect(await start()).toMatchObject({ container: "homespan-trial-machine-home", user: "pi" });
  const [run = ""] = world.podman.commands.filter((command) => command.startsWith("run "));
  expect(run).toContain("--network=homespan-trial-home");
  expect(run).not.toContain("--ip=");
  expect(world.podman.networks.get("homespan-trial-home")?.labels).toEqual({ "homespan.cluster": "trial" });
  expect(world.firewall.tables.get("homespan_trial_home")).toMatch(
    /ip saddr 172\.26\.1\.0\/24 ip daddr \S+ ct state new counter drop/,
  );
});

test("lets its owner in, by a key that is the owner's alone, and is given no user-data", async () => {
  await start();
  expect(seed("user-data")).toBe("#!/bin/sh\n");
  const publicKey = readFileSync(`${homeKeyFile(world.folder)}.pub`, "utf8").trim();
  expect(JSON.parse(seed("meta-data"))).toMatchObject({ "public-keys": [publicKey] });
  expect(publicKey).toMatch(/^ssh-ed25519 \S+ owner$/);
  expect(statSync(homeKeyFile(world.folder)).mode & 0o777).toBe(0o600);
});

test("is the same machine the second time, with the rule in force again", async () => {
  await start();
  const key = readFileSync(homeKeyFile(world.folder), "utf8");
  world.firewall.tables.clear();
  const container = world.podman.containers.get("homespan-trial-machine-home");
  if (container !== undefined) container.running = false;
  await start();
  expect(world.podman.commands.filter((command) => command.startsWith("run "))).toHaveLength(1);
  expect(container?.running).toBe(true);
  expect(readFileSync(homeKeyFile(world.folder), "utf8")).toBe(key);
  expect(world.firewall.tables.has("homespan_trial_home")).toBe(true);
});

test("goes with its world", async () => {
  await start();
  await removeWorld(world.folder, "trial", world.effects);
  expect([
    ...world.podman.containers.keys(),
    ...world.podman.networks.keys(),
    ...world.podman.volumes.keys(),
  ]).toEqual([]);
  expect(world.firewall.tables.size).toBe(0);
});
