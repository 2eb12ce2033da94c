/** One cluster of the ci topology, driven the way a user does: through the wrapper, and through plain Pulumi. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { repository, run } from "./command.ts";
import type { Finished, RunOptions } from "./command.ts";
import { disturbed } from "./disturbance.ts";
import type { Disturbed } from "./disturbance.ts";
import { environmentAfter } from "./environment.ts";
import { killTree } from "./processes.ts";
import { exec, objectsOf, stateOf } from "./podman.ts";
import { note } from "./report.ts";

export type Settings = Readonly<Record<string, string | number>>;

export interface ClusterOptions {
  readonly name: string;
  readonly apiPort: number;
  readonly settings?: Settings;
}

/** How often each kind of change happened in one operation of Pulumi: `same`, `create`, `replace` ... */
export type Changes = Readonly<Record<string, number>>;

interface HistoryEntry {
  readonly resourceChanges?: Changes;
}

interface Preview {
  readonly changeSummary?: Changes;
}

export class Cluster {
  readonly name: string;
  readonly apiPort: number;
  /** HOMESPAN_STATE of this run: its own, below the system's folder for temporary files. */
  readonly state: string;
  /** False until an `up` was seen to bring the cluster up: steps that need one are skipped. */
  usable = false;
  /** How long the first `up` that ended well took. */
  firstUpSeconds: number | undefined;
  #settings: Settings;
  #environment: Readonly<Record<string, string>> | undefined;

  constructor(options: ClusterOptions) {
    this.name = options.name;
    this.apiPort = options.apiPort;
    this.#settings = { apiPort: options.apiPort, ...options.settings };
    this.state = mkdtempSync(join(tmpdir(), `homespan-${options.name}-`));
  }

  pod(node: string): string {
    return `homespan-${this.name}-${node}`;
  }

  container(node: string, child: "infra" | "steward" | "tailscale" | "k3s" | "bootstrapper"): string {
    return `${this.pod(node)}-${child}`;
  }

  volume(node: string): string {
    return `${this.pod(node)}-data`;
  }

  /** `./homespan WORDS`; they name the stack themselves. */
  async wrapper(words: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const env = { HOMESPAN_STATE: this.state, CI: "true", ...options.env };
    return run(join(repository, "homespan"), words, { ...options, env });
  }

  /** `./homespan VERB ci --name NAME ...`. */
  async homespan(verb: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> {
    return this.wrapper([verb, "ci", "--name", this.name, ...args], { timeoutSeconds: 300, ...options });
  }

  #upArguments(): string[] {
    return settingArguments(this.#settings);
  }

  /** `./homespan kubectl --stack NAME ...`. */
  async userKubectl(args: readonly string[]): Promise<Finished> {
    return this.wrapper(["kubectl", "--stack", this.name, ...args]);
  }

  /** Brings the cluster to the settings so far and these. */
  async up(step: string, changed: Settings = {}): Promise<Finished> {
    this.#settings = { ...this.#settings, ...changed };
    const done = await this.homespan("up", this.#upArguments());
    note(`up: ${step}`, done.seconds);
    this.firstUpSeconds ??= done.seconds;
    return done;
  }

  /** `./homespan recreate --node`, with the settings so far. */
  async recreateNode(node: string): Promise<Finished> {
    const done = await this.homespan("recreate", [...this.#upArguments(), "--node", node, "--yes"]);
    note(`recreate: ${node}`, done.seconds);
    return done;
  }

  /** `./homespan recreate` of all of it. These settings alone are said; the others are those it last ran with. */
  async recreate(step: string, changed: Settings): Promise<Finished> {
    this.#settings = { ...this.#settings, ...changed };
    const done = await this.homespan("recreate", [...settingArguments(changed), "--yes"]);
    note(`recreate: ${step}`, done.seconds);
    return done;
  }

  /** `up` that may take no longer than this, set-up of the run not counted, and is expected not to be done by then. */
  async upWithin(seconds: number): Promise<Finished> {
    const done = await this.homespan("up", [...this.#upArguments(), "--timeout", String(seconds / 60)], {
      mayFail: true,
    });
    note(`up: stopped by its --timeout of ${seconds.toString()} s`, done.seconds);
    return done;
  }

  /** Starts `up` and, once `until` is over, kills the wrapper, Pulumi and all they started, but no container. */
  async killedUp(until: () => Promise<unknown>, changed: Settings = {}): Promise<Disturbed> {
    return this.#disturbedUp(until, killTree, changed);
  }

  /** Starts `up` and, once `until` is over, does what Ctrl-C does: the whole process group gets SIGINT. */
  async interruptedUp(until: () => Promise<unknown>, changed: Settings = {}): Promise<Disturbed> {
    const interrupt = (pid: number): void => {
      process.kill(-pid, "SIGINT");
    };
    return this.#disturbedUp(until, interrupt, changed);
  }

  async #disturbedUp(
    until: () => Promise<unknown>,
    disturb: (pid: number) => void,
    changed: Settings,
  ): Promise<Disturbed> {
    this.#settings = { ...this.#settings, ...changed };
    const args = ["up", "ci", "--name", this.name, ...this.#upArguments()];
    return disturbed(args, { until, disturb, state: this.state });
  }

  async destroy(step: string): Promise<Finished> {
    const done = await this.homespan("destroy", ["--yes"]);
    note(`destroy: ${step}`, done.seconds);
    return done;
  }

  /** What `eval "$(./homespan env)"` sets. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    const words = ["env", "ci", "--name", this.name, ...this.#upArguments()];
    this.#environment ??= await environmentAfter(words, this.state);
    return this.#environment;
  }

  /** Plain Pulumi, from the checkout, on this stack. */
  async pulumi(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return run("pulumi", [...args, "--stack", this.name, "--non-interactive"], {
      timeoutSeconds: 180,
      ...options,
      env: { ...(await this.environment()), ...options.env },
    });
  }

  /** What `./homespan preview` says that an `up` with the settings so far would change. */
  async wrapperPreview(): Promise<Changes> {
    const done = await this.homespan("preview", [...this.#upArguments(), "--json"]);
    return (JSON.parse(done.stdout) as Preview).changeSummary ?? {};
  }

  /** What a plain `pulumi preview`, which reads first, would change. */
  async preview(): Promise<Changes> {
    const done = await this.pulumi(["preview", "--json"]);
    return (JSON.parse(done.stdout) as Preview).changeSummary ?? {};
  }

  /** What the last operation on the stack changed. */
  async lastChanges(): Promise<Changes> {
    const done = await this.pulumi(["stack", "history", "--json", "--page-size", "1"]);
    const [last] = JSON.parse(done.stdout) as HistoryEntry[];
    return last?.resourceChanges ?? {};
  }

  async output(name: string): Promise<unknown> {
    const done = await this.pulumi(["stack", "output", name, "--json", "--show-secrets"]);
    return JSON.parse(done.stdout);
  }

  /** kubectl inside a server, so that nothing but Podman is needed on this machine. */
  async kubectl(args: readonly string[], options: { input?: string; server?: string } = {}): Promise<string> {
    const container = this.container(options.server ?? "server-1", "k3s");
    return exec(container, ["kubectl", ...args], options.input);
  }

  /** Process id in whose namespaces the node's network can be entered. */
  async networkPid(node: string): Promise<number> {
    return (await stateOf(this.container(node, "infra"))).pid;
  }

  /** After the tests, passed or not: nothing of the cluster stays. */
  async cleanUp(): Promise<void> {
    const left = await objectsOf(this.name).catch(() => ["unknown"]);
    if (left.length > 0) await this.homespan("destroy", ["--yes"], { mayFail: true });
    rmSync(this.state, { recursive: true, force: true });
  }
}

function settingArguments(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value.toString()}`]);
}

/** What a run of the wrapper changed, in the lines of its progress: a count alone does not say what to look at. */
function changedBy({ output }: Finished): string[] {
  return output.split("\n").filter((line) => / s {2}(?:created|updated|deleted) /.test(line));
}

/** Brings it up once more, and fails with the lines of what that changed. */
export async function upChangesNothing(
  stack: {
    readonly up: (step: string) => Promise<Finished>;
    readonly lastChanges: () => Promise<Changes>;
  },
  step: string,
): Promise<void> {
  expect(changedBy(await stack.up(step))).toEqual([]);
  expect(await stack.lastChanges()).toSatisfy(changesNothing);
}

/** True when nothing was created, updated, replaced or deleted. */
export function changesNothing(changes: Changes): boolean {
  return Object.entries(changes).every(([kind, count]) => kind === "same" || count === 0);
}
