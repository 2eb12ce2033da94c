/** The real limactl on a rehearsed Mac: what the provider does with it, what it refuses, and what is left at the end. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renderLima } from "../../../components/render/lima.ts";
import type { Properties } from "../../../provider/server/values.ts";
import { FakeKubernetes } from "../../provider/fake-kubernetes.ts";
import { FakeLima } from "../../provider/fake-lima.ts";
import { Harness } from "../../provider/harness.ts";
import { diskInputs, macInputs, plans, vmInputs } from "../../provider/samples-lima.ts";
import { qemuAgent } from "../../render/samples-lima.ts";
import { RehearsedMac } from "./rehearsed-mac.ts";

let mac: RehearsedMac;
beforeEach(async () => {
  mac = new RehearsedMac();
  await mac.start();
});
afterEach(async () => {
  await mac.stop();
});

const list = async (): Promise<string[]> => {
  const { stdout } = await mac.limactl(["list", "--format", "{{.Name}} {{.Status}} {{.CPUs}} {{.Memory}}"]);
  return stdout.split("\n").filter(Boolean);
};
const said = ({ stderr }: { readonly stderr: string }): string =>
  /level=fatal msg="(.*)"$/m.exec(stderr)?.[1]?.replaceAll('\\"', '"') ?? "";
const until = async (what: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await what()); tries++) {
    if (tries > 100) throw new Error("it did not come to be");
    await sleep(200);
  }
};

describe("four agents of one blueprint, through the provider", () => {
  let h: Harness;
  beforeEach(async () => {
    h = new Harness();
    h.macs = mac;
    await h.start();
  });
  afterEach(() => {
    h.stop();
  });

  interface Agent {
    readonly disk: Properties;
    readonly inputs: Properties;
    readonly state: Properties;
  }
  /** One after the other: an engine makes them at once, for which this machine may be too small. */
  async function up(): Promise<Agent[]> {
    const { state: looked } = await h.create("LimaMac", { ...macInputs, startAt: "login" });
    expect(looked["vmType"]).toBe("vz");
    const agents: Agent[] = [];
    for (const index of plans.keys()) {
      const { state: disk } = await h.create("LimaDisk", diskInputs(index));
      const inputs = {
        ...vmInputs(index, String(disk["identity"]), String(looked["vmType"])),
        startAt: "login",
      };
      const { state } = await h.create("LimaVm", inputs);
      agents.push({ disk, inputs, state });
    }
    mac.guests.orders.length = 0;
    return agents;
  }

  test("run as the blueprint and the override say; one is changed alone, heals, and nothing is left", async () => {
    const agents = await up();
    expect(await list()).toEqual([
      ...["home-agent-1", "home-agent-2", "home-agent-3"].map((name) => `${name} Running 3 8589934592`),
      "home-agent-4 Running 4 17179869184",
    ]);
    for (const { state, inputs } of agents) expect(await h.diff("LimaVm", state, inputs)).toEqual({});

    const { inputs, state } = agents[1]!;
    const more = { ...inputs, memoryMiB: 12_288 };
    expect(await h.diff("LimaVm", state, more)).toEqual({ memoryMiB: "update" });
    const changed = await h.update("LimaVm", state, more);
    expect(mac.guests.orders).toEqual(["stop home-agent-2", "start home-agent-2"]);
    expect((await list())[1]).toBe("home-agent-2 Running 3 12884901888");

    // Stopped by hand: found, and started.
    await mac.limactl(["stop", "home-agent-2"]);
    const stopped = await h.read("LimaVm", changed);
    expect(stopped).toMatchObject({ running: false });
    await h.update("LimaVm", stopped ?? {}, more);
    // Deleted by hand: made again, on the same disk.
    const given = mac.guests.starts.get("home-agent-3")?.disk;
    await mac.limactl(["delete", "--force", "home-agent-3"]);
    expect(await h.read("LimaVm", agents[2]!.state)).toBeUndefined();
    const again = await h.create("LimaVm", agents[2]!.inputs);
    expect(mac.guests.starts.get("home-agent-3")?.disk).toEqual(given);
    expect(mac.guests.running()).toEqual(plans.map(({ name }) => name));

    for (const [index, { disk, state: former }] of agents.entries()) {
      const last = index === 2 ? again.state : index === 1 ? changed : former;
      await h.delete("LimaVm", last);
      await h.delete("LimaDisk", disk);
    }
    expect(await list()).toEqual([]);
    expect((await mac.limactl(["disk", "list", "--json"])).stdout).toBe("");
    expect(mac.guests.running()).toEqual([]);
  });
});

describe("one machine", () => {
  const name = "home-agent-1";
  const yaml = (disk = `${name}-data`): string =>
    renderLima({ ...qemuAgent, vmType: "vz", dataDisk: disk, message: "Homespan" });
  beforeEach(async () => {
    await mac.limactl(["disk", "create", `${name}-data`, "--size", "3GiB", "--format", "raw"]);
    await mac.limactl(["--tty=false", "create", "--name", name, "-"], yaml());
    expect((await mac.limactl(["--tty=false", "start", "--timeout", "120s", name])).code).toBe(0);
  });

  test("boots with what Lima lays down: the provision scripts, and its user", () => {
    const laidDown = (path: string): string =>
      readFileSync(join(mac.home, ".lima", name, "cidata", path), "utf8");
    expect(laidDown("user-data")).toContain('name: "homespan"');
    const script = qemuAgent.provision.flatMap((entry) => (entry.mode === "system" ? [entry.script] : []));
    expect([laidDown("provision.system/00000004")]).toEqual(script);
  });

  test("is refused what the real one refuses, in words that the unit tests' stand-in has too", async () => {
    const fake = new FakeLima(new FakeKubernetes());
    fake.disks.set(`${name}-data`, { sizeGiB: 3, mark: "", content: "", instance: "" });
    const tell = (args: readonly string[], input = "") =>
      fake.run({ kind: "local" }, ["limactl", ...args], { input });
    await tell(["create", "--name", name, "-"], yaml());
    await tell(["start", "--timeout", "120s", name]);
    const commands: [readonly string[], string][] = [
      [["edit", "--set", ".cpus = 2", name], "cannot edit a running instance"],
      [
        ["delete", name],
        `failed to delete instance \`${name}\`: expected status \`Stopped\`, got \`Running\``,
      ],
      [
        ["disk", "delete", `${name}-data`],
        `cannot delete disk \`${name}-data\` in use by instance \`${name}\``,
      ],
      [
        ["autostart", "enable", "--condition", "noon", name],
        'unknown condition "noon": must be "login" or "boot"',
      ],
      [["autostart", "disable", "nobody"], 'instance "nobody" not found'],
    ];
    for (const [command, message] of commands) {
      for (const finished of [await mac.limactl(command), await tell(command)]) {
        expect([finished.code, said(finished)]).toEqual([1, message]);
      }
    }
    // The disk of another one.
    const other = yaml().replace("localPort: 60101", "localPort: 60102");
    await mac.limactl(["--tty=false", "create", "--name", "other", "-"], other);
    const started = await mac.limactl(["--tty=false", "start", "--timeout", "120s", "other"]);
    expect(started.code).toBe(1);
    expect(readFileSync(join(mac.home, ".lima/other/ha.stderr.log"), "utf8")).toContain(
      `failed to attach disk \`${name}-data\`: in use by instance \`${name}\``,
    );
    expect(mac.guests.running()).toEqual([name]);
  });

  test("what no rehearsal can play is refused before it is made", async () => {
    const formatted = yaml().replace("format: false", "format: true");
    await mac.limactl(["--tty=false", "create", "--name", "other", "-"], formatted);
    const started = await mac.limactl(["--tty=false", "start", "--timeout", "120s", "other"]);
    expect(said(started)).toContain("`additionalDisks[0].format` must be false in a rehearsal");
  });

  test("that loses its power is stopped, and runs on when the daemon is another one", async () => {
    await mac.restartDaemon();
    await sleep(2000);
    expect(await list()).toEqual([expect.stringContaining(`${name} Running`)]);
    await mac.guests.kill({ mac: "any", name });
    await until(async () => (await list())[0]?.includes("Stopped") === true);
    expect((await mac.limactl(["--tty=false", "start", "--timeout", "120s", name])).code).toBe(0);
  });

  test("starts with the Mac or with its user, one at a time, as launchd would be told", async () => {
    const files = [
      `Library/LaunchAgents/io.lima-vm.autostart.${name}.plist`,
      `Library/LaunchDaemons/io.lima-vm.daemon.${name}.plist`,
    ];
    const there = (): boolean[] => files.map((file) => existsSync(join(mac.home, file)));
    expect((await mac.limactl(["autostart", "enable", "--condition", "boot", name])).code).toBe(0);
    expect(there()).toEqual([false, true]);
    await mac.limactl(["autostart", "enable", "--condition", "login", name]);
    expect(there()).toEqual([true, true]);
    expect((await mac.limactl(["delete", "--force", name])).code).toBe(0);
    expect(there()).toEqual([false, true]);
  });
});
