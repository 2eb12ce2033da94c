/** A world whose Podman, firewall and connections are in memory; its folder and its volumes are real. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { Firewall } from "../../../provider/effects/firewall.ts";
import type { Found, Kind, NetworkFound, VolumeFound } from "../../../provider/effects/podman.ts";
import type { Finished, Run, RunOptions } from "../../../provider/effects/process.ts";
import { PodmanMachines } from "../../../rehearsal/machines/podman-machines.ts";
import type { MachineSpec } from "../../../rehearsal/machines/machines.ts";
import { makeWorld, type World, type WorldEffects } from "../../../rehearsal/world.ts";
import { FakePodman, done } from "../../provider/fake-podman.ts";

/** Gives a network the addresses it was asked for, and a volume a folder. */
class WorldPodman extends FakePodman {
  readonly #volumes: string;

  constructor(volumes: string) {
    super();
    this.#volumes = volumes;
  }

  override async list<K extends Kind>(kind: K): Promise<readonly Found[K][]> {
    const found = await super.list(kind);
    if (kind !== "volumes") return found;
    return (found as readonly VolumeFound[]).map((volume) => {
      const mountpoint = join(this.#volumes, volume.name);
      mkdirSync(mountpoint, { recursive: true });
      return { ...volume, mountpoint } as Found[K];
    });
  }

  override async command(args: readonly string[], options?: RunOptions): Promise<string> {
    const answer = await super.command(args, options);
    if (args[0] === "network" && args[1] === "inspect") return '[{"network_interface":"podman7"}]';
    if (args[0] === "network" && args[1] === "create" && args.includes("--subnet")) {
      const after = (option: string): string => args[args.indexOf(option) + 1] ?? "";
      const network = this.networks.get(args.at(-1) ?? "") as NetworkFound;
      this.networks.set(network.name, {
        ...network,
        subnet: after("--subnet"),
        gateway: after("--gateway"),
      });
    }
    if (args[0] === "volume" && args[1] === "rm") {
      rmSync(join(this.#volumes, args.at(-1) ?? "none"), { recursive: true, force: true });
    }
    return answer;
  }
}

class FakeFirewall implements Firewall {
  readonly tables = new Map<string, string>();
  list(table: string): Promise<string | undefined> {
    return Promise.resolve(this.tables.get(table));
  }
  replace(table: string, body: string): Promise<void> {
    this.tables.set(table, body);
    return Promise.resolve();
  }
  remove(table: string): Promise<void> {
    this.tables.delete(table);
    return Promise.resolve();
  }
}

export class FakeWorld {
  readonly base = mkdtempSync(join(tmpdir(), "homespan-world-"));
  readonly folder = join(this.base, "state");
  readonly podman = new WorldPodman(join(this.base, "volumes"));
  readonly firewall = new FakeFirewall();
  /** Programs that were run, but for `ip`. */
  readonly runs: string[] = [];
  /** What `ip route` prints. */
  routes = "[]";
  readonly machines: PodmanMachines;

  constructor() {
    this.podman.exec_ = () => done();
    this.machines = new PodmanMachines(this.folder, this.effects, () => ({
      cgroupV1: false,
      noSysResource: true,
      userNamespace: false,
    }));
  }

  get effects(): WorldEffects {
    const run: Run = (program, args): Promise<Finished> => {
      if (program === "ip") return Promise.resolve(done(this.routes));
      this.runs.push([program, ...args].join(" "));
      return Promise.resolve({ code: 1, stdout: "", stderr: "0 flow entries have been deleted." });
    };
    return { podman: this.podman, firewall: this.firewall, run };
  }

  make(settings: Partial<World> = {}): Promise<World> {
    return makeWorld(this.folder, { world: "trial", region: "eu-central-1", ...settings }, this.effects);
  }

  /** A machine, made. */
  async machine(name: string): Promise<{ readonly privateAddress: string; readonly publicAddress: string }> {
    return this.machines.create(spec(name), AbortSignal.timeout(5000));
  }

  get rules(): string {
    const rules = this.firewall.tables.get("homespan_trial_cloud");
    expect(rules).toBeDefined();
    return rules ?? "";
  }

  remove(): void {
    rmSync(this.base, { recursive: true });
  }
}

export const spec = (name: string): MachineSpec => ({
  ...{ name, zone: "eu-central-1a", blueprintId: "debian_12", bundleId: "medium_3_0" },
  userData: "#!/bin/sh\necho started\n",
  publicKey: "ssh-rsa AAAAB3Nza homespan-trial",
  tags: {},
});
