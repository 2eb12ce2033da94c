/** Podman on this machine, through its command line: it is there wherever nodes are, with no service to be started. */
import { existsSync, readFileSync } from "node:fs";
import { type Finished, CommandError, type Run, type RunOptions } from "./process.ts";

export const CLUSTER_LABEL = "homespan.cluster";
export const NODE_LABEL = "homespan.node";

export type Labels = Readonly<Record<string, string>>;

export interface ContainerFound {
  readonly name: string;
  readonly running: boolean;
  readonly labels: Labels;
  /** Pod name, or "". */
  readonly pod: string;
  readonly networks: readonly string[];
}
export interface PodFound {
  readonly name: string;
  /** `Running`, `Degraded` (a container of it has stopped), `Exited`, `Created` ... */
  readonly status: string;
  readonly labels: Labels;
}
export interface VolumeFound {
  readonly name: string;
  readonly labels: Labels;
}
export interface NetworkFound {
  readonly name: string;
  readonly labels: Labels;
  readonly subnet: string;
  readonly gateway: string;
}

/** Everything Podman has, at one moment. */
export interface Snapshot {
  readonly containers: readonly ContainerFound[];
  readonly pods: readonly PodFound[];
  readonly volumes: readonly VolumeFound[];
  readonly networks: readonly NetworkFound[];
}

/** The effects this provider has through Podman. */
export interface Podman {
  /** Shared by all calls of about a second, as a refresh asks for every resource at once. Anything that runs a command through here ends that. */
  snapshot(): Promise<Snapshot>;
  /** `podman ARGS`; an exit code is an error. Ends the sharing of the current snapshot. */
  command(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Runs a program inside a container; for reading and for files, so the snapshot stays. */
  exec(container: string, argv: readonly string[], options?: RunOptions): Promise<Finished>;
}

interface RawContainer {
  Names?: string[];
  State?: string;
  Pid?: number;
  Labels?: Record<string, string> | null;
  PodName?: string;
  Networks?: string[] | null;
}
interface RawPod {
  Name: string;
  Status: string;
  Labels?: Record<string, string> | null;
}
interface RawVolume {
  Name: string;
  Labels?: Record<string, string> | null;
}
interface RawNetwork {
  name: string;
  labels?: Record<string, string> | null;
  subnets?: { subnet: string; gateway?: string }[] | null;
}

const SHARED_MILLISECONDS = 1000;

/** False for a process that has ended, also when nobody has waited for it yet. True where there is no /proc to ask. */
function processExists(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return !existsSync("/proc/self/stat");
  }
}

/** {@link Podman} by the `podman` program. */
export class PodmanProgram implements Podman {
  readonly #run: Run;
  readonly #now: () => number;
  readonly #exists: (pid: number) => boolean;
  #shared: { readonly at: number; readonly snapshot: Promise<Snapshot> } | undefined;

  constructor(run: Run, now: () => number = Date.now, exists = processExists) {
    this.#run = run;
    this.#now = now;
    this.#exists = exists;
  }

  snapshot(): Promise<Snapshot> {
    if (this.#shared === undefined || this.#now() - this.#shared.at > SHARED_MILLISECONDS) {
      this.#shared = { at: this.#now(), snapshot: this.#take() };
    }
    return this.#shared.snapshot;
  }

  async command(args: readonly string[], options?: RunOptions): Promise<string> {
    this.#shared = undefined;
    const finished = await this.#run("podman", args, options);
    this.#shared = undefined;
    if (finished.code !== 0) throw new CommandError(`podman ${args.slice(0, 2).join(" ")}`, finished);
    return finished.stdout;
  }

  exec(container: string, argv: readonly string[], options?: RunOptions): Promise<Finished> {
    const interactive = options?.input === undefined ? [] : ["--interactive"];
    return this.#run("podman", ["exec", ...interactive, container, ...argv], options);
  }

  async #list<T>(args: readonly string[]): Promise<readonly T[]> {
    const finished = await this.#run("podman", [...args, "--format", "json"], { timeoutSeconds: 60 });
    if (finished.code !== 0) throw new CommandError(`podman ${args.join(" ")}`, finished);
    const parsed: unknown = JSON.parse(finished.stdout.trim() || "[]");
    return Array.isArray(parsed) ? (parsed as T[]) : [];
  }

  async #take(): Promise<Snapshot> {
    const [containers, pods, volumes, networks] = await Promise.all([
      this.#list<RawContainer>(["ps", "--all", "--pod"]),
      this.#list<RawPod>(["pod", "ps"]),
      this.#list<RawVolume>(["volume", "ls"]),
      this.#list<RawNetwork>(["network", "ls"]),
    ]);
    return {
      containers: containers.map((c) => ({
        name: c.Names?.[0] ?? "",
        // Podman hears of an end from conmon: a container that was killed together with its conmon stays "running".
        running: c.State === "running" && this.#exists(c.Pid ?? 0),
        labels: c.Labels ?? {},
        pod: c.PodName ?? "",
        networks: c.Networks ?? [],
      })),
      pods: pods.map((p) => ({ name: p.Name, status: p.Status, labels: p.Labels ?? {} })),
      volumes: volumes.map((v) => ({ name: v.Name, labels: v.Labels ?? {} })),
      networks: networks.map((n) => ({
        name: n.name,
        labels: n.labels ?? {},
        subnet: n.subnets?.[0]?.subnet ?? "",
        gateway: n.subnets?.[0]?.gateway ?? "",
      })),
    };
  }
}
