/** A cluster of the ci topology for measuring, in a state folder of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository, run } from "./command.ts";
import type { Finished } from "./command.ts";

export class HomespanCluster {
  readonly name: string;
  readonly state: string;
  readonly #settings: readonly string[];

  constructor(name: string, settings: readonly string[]) {
    this.name = name;
    this.#settings = settings.flatMap((setting) => ["--set", setting]);
    this.state = mkdtempSync(join(tmpdir(), `homespan-${name}-`));
  }

  /** `./homespan VERB ci --name NAME ...` */
  async homespan(verb: string, args: readonly string[] = []): Promise<Finished> {
    return run(join(repository, "homespan"), [verb, "ci", "--name", this.name, ...args], {
      env: { HOMESPAN_STATE: this.state, CI: "true" },
    });
  }

  /** With these settings besides. */
  async up(settings: readonly string[] = []): Promise<Finished> {
    return this.homespan("up", [...this.#settings, ...settings.flatMap((it) => ["--set", it])]);
  }

  async destroy(): Promise<Finished> {
    return this.homespan("destroy", ["--yes"]);
  }

  container(node: string, child: string): string {
    return `homespan-${this.name}-${node}-${child}`;
  }

  /** Runs a command in a node's k3s container. */
  async inNode(node: string, command: readonly string[]): Promise<string> {
    return (await run("podman", ["exec", this.container(node, "k3s"), ...command])).stdout;
  }

  async kubectl(args: readonly string[], input?: string): Promise<string> {
    const container = this.container("server-1", "k3s");
    const flags = input === undefined ? [] : ["--interactive"];
    const command = ["exec", ...flags, container, "kubectl", ...args];
    return (await run("podman", command, input === undefined ? {} : { input })).stdout;
  }

  /** What the environment of plain Pulumi is for this cluster. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    const script = 'vars=$(./homespan env ci "$@") && eval "$vars" && exec env -0';
    const env = { HOMESPAN_STATE: this.state, CI: "true" };
    const { stdout } = await run("sh", ["-c", script, "sh", "--name", this.name, ...this.#settings], { env });
    const entries = stdout.split("\0").filter((entry) => entry.includes("="));
    return Object.fromEntries(
      entries.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
    );
  }

  /** Destroys what is left and removes the state folder. */
  async cleanUp(): Promise<void> {
    const left = await run("podman", ["ps", "-aq", "--filter", `label=homespan.cluster=${this.name}`]);
    if (left.stdout !== "") await this.destroy();
    rmSync(this.state, { recursive: true, force: true });
  }
}
