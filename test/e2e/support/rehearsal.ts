/** A rehearsed stack, driven the way a user does: by `rehearse`, by other verbs in its environment, by plain Pulumi. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AwsBooks, openAwsBooks } from "../../../rehearsal/clouds/aws/books.ts";
import { type World, readWorld } from "../../../rehearsal/world.ts";
import type { Changes } from "./cluster.ts";
import { type Finished, type RunOptions, repository, run } from "./command.ts";
import { type Disturbed, EndedBefore, disturbed } from "./disturbance.ts";
import { environmentAfter } from "./environment.ts";
import { objectsOf, stateOf } from "./podman.ts";
import { environmentOf, killTree, processes, pulumiRuns } from "./processes.ts";
import { type TailnetDevice, askTailnet } from "./rehearsal-tailnet.ts";
import { note } from "./report.ts";
import { pause } from "./wait.ts";

/** An `up` that is at work on something, in the words of its progress. */
const atWork = / s {2}(created|updated|deleted|FAILED|still creating|still updating|still deleting) /;
/** One that only waits for what was begun before is at work as well. */
const atWorkAfterSeconds = 15;

export class RehearsedStack {
  readonly name: "lightsail" | "homelab";
  /** What all Podman objects of it are named after. */
  readonly world: string;
  /** HOMESPAN_STATE of this run; short, as sockets are made below it. */
  readonly state = mkdtempSync(join(tmpdir(), "hs-reh-"));
  /** False until it was seen to come up: steps that need it are skipped. */
  usable = false;
  #settings: readonly string[];
  /** Of `rehearse`, in each run of `up`. */
  readonly #flags: readonly string[];
  /** Out of the folders that are searched for secrets. */
  readonly #private = mkdtempSync(join(tmpdir(), "hs-rehkube-"));
  #environment: Readonly<Record<string, string>> | undefined;
  /** Of its names in MagicDNS; asking costs seconds. */
  #domain: string | undefined;

  /** What an `up` or a `destroy` may take, and what `rehearse` and this process give it. */
  readonly #limits: { readonly arguments: readonly string[]; readonly timeoutSeconds: number };

  /** @param minutes - of an `up` or a `destroy`, where that is more than machines of containers take */
  constructor(
    settings: readonly string[],
    minutes?: number,
    name: RehearsedStack["name"] = "lightsail",
    flags: readonly string[] = [],
  ) {
    this.name = name;
    this.#flags = flags;
    this.world = `rehearsal-${name}`;
    this.#settings = settings;
    this.#limits =
      minutes === undefined
        ? { arguments: [], timeoutSeconds: 420 }
        : { arguments: [`--timeout=${minutes}`], timeoutSeconds: minutes * 60 + 420 };
  }

  /** HOMESPAN_REHEARSAL. */
  get folder(): string {
    return join(this.state, "rehearsal", this.name);
  }

  instance(node: string): string {
    return `${this.name}-${node}`;
  }

  /** The container that is a node's instance. */
  machine(node: string): string {
    return `homespan-${this.world}-machine-${this.instance(node)}`;
  }

  /** `./homespan rehearse STACK VERB`. */
  async rehearse(verb: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> {
    return run(join(repository, "homespan"), ["rehearse", this.name, verb, ...args], {
      timeoutSeconds: this.#limits.timeoutSeconds,
      ...options,
      env: { HOMESPAN_STATE: this.state, CI: "true", ...options.env },
    });
  }

  #upArguments(): string[] {
    return [...this.#flags, ...this.#settings.flatMap((setting) => ["--set", setting])];
  }

  /** Brings it to these settings over the committed file, by default those of the last time. */
  async up(step: string, settings = this.#settings, options: RunOptions = {}): Promise<Finished> {
    this.#settings = settings;
    const args = [...this.#limits.arguments, ...this.#upArguments()];
    const done = await this.rehearse("up", args, options);
    note(`rehearse: ${step}`, done.seconds);
    return done;
  }

  /** Starts `rehearse` and, once `until` is over, kills the wrapper, Pulumi and all they started, but no container. */
  async killedUp(
    until: (said: () => string) => Promise<unknown>,
    settings = this.#settings,
  ): Promise<Disturbed> {
    this.#settings = settings;
    const args = ["rehearse", this.name, "up", ...this.#limits.arguments, ...this.#upArguments()];
    return disturbed(args, { until, disturb: killTree, state: this.state });
  }

  /** The same, this long after it began to change something; where it was done by then, the next one while it looks around. */
  async killedAtWork(seconds: number, settings = this.#settings): Promise<Disturbed> {
    try {
      return await this.killedUp(async (said) => {
        const end = performance.now() + atWorkAfterSeconds * 1000;
        while (!atWork.test(said()) && performance.now() < end) await pause(0.2);
        await pause(seconds);
      }, settings);
    } catch (error) {
      if (!(error instanceof EndedBefore && error.well)) throw error;
      process.stdout.write("             it was done before, so the next one is killed\n");
      return this.killedUp(() => pulumiRuns(this.name));
    }
  }

  /** `./homespan recreate --node`, which mends everything else as an `up` does. */
  async recreateNode(node: string): Promise<Finished> {
    const done = await this.homespan(["recreate", this.name, "--node", node, "--yes"], {
      timeoutSeconds: 420,
    });
    note(`recreate: ${node}`, done.seconds);
    return done;
  }

  async destroy(step: string): Promise<Finished> {
    const done = await this.rehearse("destroy", this.#limits.arguments);
    note(`rehearse destroy: ${step}`, done.seconds);
    return done;
  }

  /** What `eval "$(./homespan rehearse STACK env)"` sets. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    this.#environment ??= await environmentAfter(["rehearse", this.name, "env"], this.state);
    return this.#environment;
  }

  /** Another verb of the wrapper, in the rehearsal's environment. */
  async homespan(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const env = { ...(await this.environment()), CI: "true" };
    return run(join(repository, "homespan"), args, { ...options, env });
  }

  /** Plain Pulumi, from the checkout. */
  async pulumi(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return run("pulumi", [...args, "--stack", this.name, "--non-interactive"], {
      timeoutSeconds: 240,
      ...options,
      env: { ...(await this.environment()), ...options.env },
    });
  }

  /** What the last operation on the stack changed. */
  async lastChanges(): Promise<Changes> {
    const done = await this.pulumi(["stack", "history", "--json", "--page-size", "1"]);
    const [last] = JSON.parse(done.stdout) as { readonly resourceChanges?: Changes }[];
    return last?.resourceChanges ?? {};
  }

  async output(name: string): Promise<unknown> {
    const done = await this.pulumi(["stack", "output", name, "--json", "--show-secrets"]);
    return JSON.parse(done.stdout);
  }

  async textOutput(name: string): Promise<string> {
    const output = await this.output(name);
    if (typeof output !== "string") throw new Error(`the output ${name} is no text`);
    return output;
  }

  /** Where a server's API answers in the tailnet. */
  async apiUrl(server: string): Promise<string> {
    this.#domain ??= new URL(await this.textOutput("apiUrl")).hostname.split(".").slice(1).join(".");
    return `https://${this.instance(server)}.${this.#domain}:6443`;
  }

  /** Reads the kubeconfig again, for {@link kubectl}: another server may have taken the place of the one it named. */
  async renewKubeconfig(): Promise<string> {
    const kubeconfig = await this.textOutput("kubeconfig");
    writeFileSync(join(this.#private, "config"), kubeconfig, { mode: 0o600 });
    return kubeconfig;
  }

  /** kubectl on this machine, through the operator's proxy. */
  async kubectl(
    args: readonly string[],
    options: { readonly input?: string; readonly server?: string } = {},
  ): Promise<string> {
    const server = options.server === undefined ? [] : [`--server=${await this.apiUrl(options.server)}`];
    const all = [
      `--kubeconfig=${join(this.#private, "config")}`,
      "--request-timeout=20s",
      ...server,
      ...args,
    ];
    const input = options.input === undefined ? {} : { input: options.input };
    return (await run("kubectl", all, { ...input, env: await this.environment() })).stdout;
  }

  /** A machine has one rehearsal of a stack: somebody else's must not be taken for ours, nor be removed. */
  async insistOnNoOther(): Promise<void> {
    const there = await objectsOf(this.world);
    if (there.length > 0) throw new Error(`another rehearsal must be destroyed first: ${there.join(", ")}`);
  }

  readWorld(): Promise<World> {
    return readWorld(this.folder);
  }

  /** What the rehearsed AWS remembers. */
  books(): Promise<AwsBooks> {
    return openAwsBooks(this.folder).read();
  }

  /** The static address a node has in the rehearsed cloud. */
  async publicAddress(node: string): Promise<string> {
    const { staticIps } = await this.books();
    const found = Object.values(staticIps).find(({ attachedTo }) => attachedTo === this.instance(node));
    if (found === undefined) throw new Error(`${node} has no static address`);
    return found.address;
  }

  async privateAddress(node: string): Promise<string> {
    const found = (await this.books()).instances[this.instance(node)];
    if (found === undefined) throw new Error(`there is no instance of ${node}`);
    return found.privateAddress;
  }

  /** Process id in whose namespaces a node's network can be entered. */
  async networkPid(node: string): Promise<number> {
    return (await stateOf(this.machine(node))).pid;
  }

  /** The tailnet's devices, as its API lists them. */
  async devices(): Promise<readonly TailnetDevice[]> {
    const text = await askTailnet(await this.environment(), "GET", "tailnet/-/devices");
    return (JSON.parse(text) as { readonly devices: readonly TailnetDevice[] }).devices;
  }

  /** MagicDNS names of the tailnet's devices without their domain, sorted. */
  async deviceNames(): Promise<string[]> {
    return (await this.devices()).map(({ name }) => name.split(".")[0] ?? "").sort();
  }

  /** The tailnet's policy, HuJSON, as it was written. */
  async policy(): Promise<string> {
    return askTailnet(await this.environment(), "GET", "tailnet/-/acl");
  }

  /** What the tailnet's owner does in the console. */
  async setPolicy(text: string): Promise<void> {
    await askTailnet(await this.environment(), "POST", "tailnet/-/acl", text);
  }

  /**
   * After the tests, passed or not: nothing of it stays.
   *
   * @param foreign the objects of its name are those of another rehearsal
   */
  async cleanUp(foreign: boolean): Promise<void> {
    const left = foreign ? [] : await objectsOf(this.world).catch(() => ["unknown"]);
    // The Pulumi of a run that took too long goes on without its wrapper, and would keep the stack from being destroyed.
    for (const { pid, command } of processes()) {
      if (/^\S*pulumi /.test(command) && environmentOf(pid).includes(`${this.state}/`)) killTree(pid);
    }
    if (left.length > 0) await this.#end();
    rmSync(this.state, { recursive: true, force: true });
    rmSync(this.#private, { recursive: true, force: true });
  }

  /** A stack that cannot be destroyed goes with its clouds: what it left running would be in the way of every later test. */
  async #end(): Promise<void> {
    const done = await this.rehearse("destroy", [], { mayFail: true });
    if (done.code === 0) return;
    process.stdout.write(`${done.output.split("\n").slice(-20).join("\n")}\n`);
    for (const { pid, command } of processes()) {
      if (command.includes(`${this.folder}/state/`)) killTree(pid);
    }
    rmSync(join(this.folder, "state"), { recursive: true, force: true });
    await this.rehearse("destroy", [], { mayFail: true });
  }
}
