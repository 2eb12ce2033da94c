/** Podman on this machine, through its command line: it is there wherever nodes are, with no service to be started. */
import { existsSync, readFileSync } from "node:fs";
import { PodmanSocket, type Removable } from "./podman-socket.ts";
import { type Finished, CommandError, type Run, type RunOptions } from "./process.ts";
import { SharedAnswers } from "./shared-answer.ts";

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
  /** Where its files are on the machine that runs Podman, which need not be this one. */
  readonly mountpoint: string;
}
export interface NetworkFound {
  readonly name: string;
  readonly labels: Labels;
  readonly subnet: string;
  readonly gateway: string;
}

/** What Podman lists, by kind. */
export interface Found {
  readonly containers: ContainerFound;
  readonly pods: PodFound;
  readonly volumes: VolumeFound;
  readonly networks: NetworkFound;
}
export type Kind = keyof Found;

/** The effects this provider has through Podman. */
export interface Podman {
  /** Shared by all calls of about a second, as a refresh asks for every resource at once. A command that changes the kind ends that. */
  list<K extends Kind>(kind: K): Promise<readonly Found[K][]>;
  /** `podman ARGS`; an exit code is an error. */
  command(args: readonly string[], options?: RunOptions): Promise<string>;
  /**
   * Removes one, with what runs in it; fine when there is none.
   *
   * @param stopSeconds - time for an orderly stop. @default 0
   */
  remove(kind: Removable, name: string, stopSeconds?: number): Promise<void>;
  /** Runs a program inside a container; for reading and for files, so the lists stay. */
  exec(container: string, argv: readonly string[], options?: RunOptions): Promise<Finished>;
  /** What it logged at last, on either of its outputs, for an error that says why it does not work. */
  lastWords(container: string): Promise<string>;
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
  Mountpoint?: string;
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

/** Kinds that a command may change; one that lists changes none. */
function changedBy(args: readonly string[]): readonly Kind[] {
  switch (args[0]) {
    case "network":
      return ["networks"];
    case "volume":
      return ["volumes"];
    case "ps":
      return [];
    default:
      return ["containers", "pods", "volumes"];
  }
}

/** `podman ARGS` that removes one. */
export function removalArguments(kind: Removable, name: string, stopSeconds: number): readonly string[] {
  switch (kind) {
    case "pods":
      return ["pod", "rm", "--force", "--ignore", "--time", String(stopSeconds), name];
    case "containers":
      return ["rm", "--force", "--ignore", "--volumes", "--time", String(stopSeconds), name];
    case "volumes":
      return ["volume", "rm", name];
  }
}

/** {@link Podman} by the `podman` program. Each of its starts costs some 0.06 s of a core, so none is made twice for one answer. */
export class PodmanProgram implements Podman {
  readonly #run: Run;
  readonly #exists: (pid: number) => boolean;
  readonly #socket: PodmanSocket;
  readonly #shared: SharedAnswers<Kind, readonly Found[Kind][]>;

  constructor(
    run: Run,
    now: () => number = Date.now,
    exists = processExists,
    socket: PodmanSocket = new PodmanSocket(),
  ) {
    this.#run = run;
    this.#socket = socket;
    this.#shared = new SharedAnswers(now, SHARED_MILLISECONDS);
    this.#exists = exists;
  }

  list<K extends Kind>(kind: K): Promise<readonly Found[K][]> {
    return this.#shared.ask(kind, () => this.#take(kind)) as Promise<readonly Found[K][]>;
  }

  async command(args: readonly string[], options?: RunOptions): Promise<string> {
    const forget = (): void => {
      for (const kind of changedBy(args)) this.#shared.forget(kind);
    };
    forget();
    const finished = await this.#run("podman", args, options);
    forget();
    if (finished.code !== 0) throw new CommandError(`podman ${args.slice(0, 2).join(" ")}`, finished);
    return finished.stdout;
  }

  async remove(kind: Removable, name: string, stopSeconds = 0): Promise<void> {
    const args = removalArguments(kind, name, stopSeconds);
    const gone = await this.#socket.remove(kind, name, stopSeconds);
    for (const changed of changedBy(args)) this.#shared.forget(changed);
    if (gone) return;
    await this.command(args).catch((error: unknown) => {
      // The service may have done it before it ended.
      if (!(error instanceof CommandError && /no such volume/i.test(error.message))) throw error;
    });
  }

  exec(container: string, argv: readonly string[], options?: RunOptions): Promise<Finished> {
    const interactive = options?.input === undefined ? [] : ["--interactive"];
    return this.#run("podman", ["exec", ...interactive, container, ...argv], options);
  }

  async lastWords(container: string): Promise<string> {
    const { stdout, stderr, code } = await this.#run("podman", ["logs", "--tail", "3", container]);
    // Podman tells a container's two outputs apart.
    return (code === 0 ? `${stdout}${stderr}`.trim() : "") || "it logged nothing";
  }

  async #json<T>(kind: Kind, args: readonly string[]): Promise<readonly T[]> {
    const answer = await this.#socket.list(kind);
    if (answer !== undefined) return answer as readonly T[];
    const finished = await this.#run("podman", [...args, "--format", "json"], { timeoutSeconds: 60 });
    if (finished.code !== 0) throw new CommandError(`podman ${args.join(" ")}`, finished);
    const parsed: unknown = JSON.parse(finished.stdout.trim() || "[]");
    return Array.isArray(parsed) ? (parsed as T[]) : [];
  }

  async #take(kind: Kind): Promise<readonly Found[Kind][]> {
    switch (kind) {
      case "containers":
        return (await this.#json<RawContainer>("containers", ["ps", "--all", "--pod"])).map((c) => ({
          name: c.Names?.[0] ?? "",
          // Podman hears of an end from conmon: a container that was killed together with its conmon stays "running".
          running: c.State === "running" && this.#exists(c.Pid ?? 0),
          labels: c.Labels ?? {},
          pod: c.PodName ?? "",
          networks: c.Networks ?? [],
        }));
      case "pods":
        return (await this.#json<RawPod>("pods", ["pod", "ps"])).map((p) => ({
          name: p.Name,
          status: p.Status,
          labels: p.Labels ?? {},
        }));
      case "volumes":
        return (await this.#json<RawVolume>("volumes", ["volume", "ls"])).map((v) => ({
          name: v.Name,
          labels: v.Labels ?? {},
          mountpoint: v.Mountpoint ?? "",
        }));
      case "networks":
        return (await this.#json<RawNetwork>("networks", ["network", "ls"])).map((n) => ({
          name: n.name,
          labels: n.labels ?? {},
          subnet: n.subnets?.[0]?.subnet ?? "",
          gateway: n.subnets?.[0]?.gateway ?? "",
        }));
    }
  }
}
