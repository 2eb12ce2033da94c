/** The provider with all effects faked. */
import { NodeLists } from "../../provider/effects/cluster-nodes.ts";
import type { Effects } from "../../provider/effects/effects.ts";
import type { Firewall } from "../../provider/effects/firewall.ts";
import { HeadscaleRest } from "../../provider/effects/headscale-rest.ts";
import { HeadscaleProgram } from "../../provider/effects/headscale.ts";
import { nodeAccess } from "../../provider/effects/node-access.ts";
import { patientKubernetes } from "../../provider/effects/patient-kubernetes.ts";
import type { Registries } from "../../provider/effects/registries.ts";
import type { PodmanServices } from "../../provider/effects/podman-service.ts";
import { SshConnections } from "../../provider/effects/ssh.ts";
import { userLogins } from "../../provider/effects/user-keys.ts";
import { tailnetsOf } from "../../provider/effects/tailnets.ts";
import { TailscaleHttpApi } from "../../provider/effects/tailscale-api.ts";
import type { RestoreOrder } from "../../provider/logic/restore-order.ts";
import type { Clock } from "../../provider/effects/wait.ts";
import { CachedVmImages } from "../../provider/effects/vm-images.ts";
import { runProcess } from "../../provider/effects/process.ts";
import { Limactl } from "../../provider/effects/lima/limactl.ts";
import type { Macs } from "../../provider/effects/macs.ts";
import { FakeLima } from "./fake-lima.ts";
import { FakeLibvirt } from "./fake-libvirt.ts";
import { ProviderClient, secret } from "./client.ts";
import { FakeHeadscale } from "./fake-headscale.ts";
import { FakeKubernetes } from "./fake-kubernetes.ts";
import { FakeOperators } from "./fake-operators.ts";
import { FakePodman } from "./fake-podman.ts";

export * from "./client.ts";

/** Time that passes only when someone sleeps. */
export class FakeClock implements Clock {
  time = Date.parse("2026-11-21T12:00:00Z");
  now(): number {
    return this.time;
  }
  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(new Error("cancelled"));
    this.time += milliseconds;
    return Promise.resolve();
  }
}

export class FakeFirewall implements Firewall {
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

export class FakeServices implements PodmanServices {
  readonly running = new Map<string, number>();
  starts = 0;
  find(directory: string): Promise<number | undefined> {
    return Promise.resolve(this.running.get(directory));
  }
  start(directory: string): Promise<number> {
    this.starts += 1;
    this.running.set(directory, 1000 + this.starts);
    return Promise.resolve(1000 + this.starts);
  }
  stop(directory: string): Promise<void> {
    this.running.delete(directory);
    return Promise.resolve();
  }
}

/** Registries answer unless they are told not to. */
export class FakeRegistries implements Registries {
  silent = false;
  readonly asked: number[] = [];
  answer(port: number): Promise<boolean> {
    this.asked.push(port);
    return Promise.resolve(!this.silent);
  }
}

export class Harness extends ProviderClient {
  readonly podman = new FakePodman();
  readonly kubernetes = new FakeKubernetes();
  readonly libvirt = new FakeLibvirt();
  readonly lima = new FakeLima(this.kubernetes);
  /** Where Lima runs. */
  macs: Macs = this.lima;
  /** Where images for virtual machines are kept. */
  imageFolder = "/nowhere";
  readonly firewall = new FakeFirewall();
  readonly services = new FakeServices();
  readonly registries = new FakeRegistries();
  readonly clock = new FakeClock();
  readonly headscale = new FakeHeadscale();
  readonly operators = new FakeOperators();
  /** What the clients of Tailscale's and Headscale's APIs find in its environment. */
  readonly environment: Record<string, string> = {};
  readonly ssh = new SshConnections();
  /** What the run restores the cluster from. */
  order: RestoreOrder | undefined;
  #random = 0;

  async start(): Promise<void> {
    this.podman.exec_ = (argv, options) => this.headscale.answer(argv, options?.input);
    // Every question is asked anew: sharing within a second is not what these tests are about.
    let tick = 0;
    const unshared = (): number => (tick += 10_000);
    const program = new HeadscaleProgram(this.podman, unshared);
    const headscale = new HeadscaleRest(this.podman, program, {
      now: unshared,
      environment: this.environment,
    });
    const tailscale = new TailscaleHttpApi(this.clock, this.environment, unshared);
    const effects: Effects = {
      podman: this.podman,
      services: this.services,
      registries: this.registries,
      firewall: this.firewall,
      nodes: nodeAccess(this.podman, this.ssh),
      ssh: this.ssh,
      userLogins: userLogins(this.environment),
      libvirt: this.libvirt,
      lima: new Limactl(this.macs),
      images: new CachedVmImages(runProcess, this.imageFolder),
      headscale,
      tailnets: tailnetsOf(headscale, tailscale),
      operators: this.operators,
      kubernetes: this.kubernetes,
      nodeLists: new NodeLists(patientKubernetes(this.kubernetes, this.clock), unshared),
      clock: this.clock,
      restoring: () => this.order,
      random: (bytes) => `${String((this.#random += 1))}f`.padStart(bytes * 2, "0"),
    };
    await this.serve(effects);
  }

  override stop(): void {
    this.ssh.close();
    super.stop();
  }
}

/** The steward container of a node of cluster `ci`. */
export const stewardOf = (node: string): string => `homespan-ci-${node}-steward`;
export const transportOf = (node: string) => ({ kind: "podman", container: stewardOf(node) });

/** Has that steward run in its pod. */
export function runSteward(h: Harness, node: string): void {
  h.podman.containers.set(stewardOf(node), {
    name: stewardOf(node),
    running: true,
    labels: { "homespan.cluster": "ci" },
    pod: `homespan-ci-${node}`,
    networks: [],
  });
}

/** The control server's container, which memberships ask for devices. */
export function runHeadscale(h: Harness): void {
  const name = "homespan-ci-headscale";
  const labels = { "homespan.cluster": "ci" };
  h.podman.containers.set(name, { name, running: true, labels, pod: "", networks: [] });
}

/** Inputs of the membership of agent-1. */
export const agentMembership = {
  clusterName: "ci",
  nodeName: "agent-1",
  role: "agent",
  kubeconfig: secret("kubeconfig"),
  endpoints: ["https://127.0.0.1:6443"],
  transport: transportOf("agent-1"),
  identity: "v1",
  etcd: false,
  tailnet: { kind: "headscale", container: "homespan-ci-headscale" },
  hostName: "ci-agent-1",
  tag: "tag:ci-agent",
};
