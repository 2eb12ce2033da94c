/** What happens to machines behind everyone's back, over a Podman in memory. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { MachineFaults } from "../../../rehearsal/machines/machine-faults.ts";
import { wakeMachines } from "../../../rehearsal/machines/waking.ts";
import type { WorldEffects } from "../../../rehearsal/world.ts";
import { done } from "../../provider/fake-podman.ts";
import { FakeWorld } from "./fake-world.ts";

const container = "homespan-trial-machine-server-1";
let world: FakeWorld;
let cable: { ifindex: number; ifname: string; flags: string[] };
const ipCommands: string[] = [];

function effects(): WorldEffects {
  return {
    ...world.effects,
    run: async (program, args) => {
      if (program !== "ip") return done();
      ipCommands.push(args.join(" "));
      if (args[0] === "link") cable.flags = args.at(-1) === "up" ? ["UP"] : [];
      return done(JSON.stringify([{ ifindex: 3, ifname: "veth3", flags: ["UP"] }, cable]));
    },
  };
}

beforeEach(async () => {
  world = new FakeWorld();
  await world.make();
  await world.machine("server-1");
  world.podman.exec_ = (argv) => done(argv.at(-1)?.endsWith("iflink") === true ? "7\n" : "");
  cable = { ifindex: 7, ifname: "veth7", flags: ["UP"] };
  ipCommands.length = 0;
});
afterEach(() => {
  world.remove();
});

test("a machine is cut off at its own cable, and mended there", async () => {
  const faults = new MachineFaults(world.folder, effects());
  expect(await faults.state("server-1")).toBe("running");
  await faults.cut("server-1");
  expect(ipCommands.at(-1)).toBe("link set dev veth7 down");
  expect(await faults.state("server-1")).toBe("cut off");
  await faults.mend("server-1");
  expect(ipCommands.filter((command) => command.startsWith("link set")).at(-1)).toBe("link set dev veth7 up");
  expect(await faults.state("server-1")).toBe("running");
});

test("power and restarts are Podman's, and what is gone or stopped says so", async () => {
  const faults = new MachineFaults(world.folder, effects());
  await faults.stop("server-1");
  await faults.restart("server-1");
  await faults.kill("server-1");
  expect(world.podman.commands.slice(-3)).toEqual([
    `stop --time=20 ${container}`,
    `restart --time=20 ${container}`,
    `kill ${container}`,
  ]);
  world.podman.containers.get(container)!.running = false;
  expect(await faults.state("server-1")).toBe("stopped");
  await expect(faults.cut("server-1")).rejects.toThrow("server-1 must run for that, it is stopped");
  await faults.start("server-1");
  expect(await faults.state("server-1")).toBe("running");
  await world.machines.remove("server-1");
  expect(await faults.state("server-1")).toBe("gone");
  await expect(faults.kill("server-1")).rejects.toThrow("the machine of server-1 is gone");
});

test("machines run again after a restart of this machine, and only then", async () => {
  const stop = (): void => {
    world.podman.containers.get(container)!.running = false;
  };
  const starts = (): number => world.podman.commands.filter((it) => it === `start ${container}`).length;
  stop();
  // Never seen before: what is stopped was stopped by somebody.
  await wakeMachines(world.folder, { world: "trial" }, "first", effects());
  await wakeMachines(world.folder, { world: "trial" }, "first", effects());
  expect(starts()).toBe(0);
  await wakeMachines(world.folder, { world: "trial" }, "second", effects());
  expect(starts()).toBe(1);
  stop();
  await wakeMachines(world.folder, { world: "trial" }, "second", effects());
  expect(starts()).toBe(1);
});
