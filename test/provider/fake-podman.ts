/** Podman in memory, as far as the provider uses it: it reads the arguments the provider gives to the real one. */
import { createHash } from "node:crypto";
import { readArchive } from "../../provider/effects/archive.ts";
import type { Removable } from "../../provider/effects/podman-socket.ts";
import { removalArguments } from "../../provider/effects/podman.ts";
import type {
  ContainerFound,
  Found,
  Kind,
  Labels,
  NetworkFound,
  Podman,
} from "../../provider/effects/podman.ts";
import type { Finished, RunOptions } from "../../provider/effects/process.ts";

type Exec = (argv: readonly string[], options?: RunOptions) => Promise<Finished> | Finished;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const done = (stdout = ""): Finished => ({ code: 0, stdout, stderr: "" });
export const failed = (stderr: string): Finished => ({ code: 1, stdout: "", stderr });

/** Values of an option that may be given as `--name value` or `--name=value`. */
function values(args: readonly string[], option: string): string[] {
  return args.flatMap((arg, index) => {
    if (arg === option) return [args[index + 1] ?? ""];
    return arg.startsWith(`${option}=`) ? [arg.slice(option.length + 1)] : [];
  });
}

function labelsOf(args: readonly string[]): Labels {
  return Object.fromEntries(
    values(args, "--label").map((label) => {
      const [name = "", ...rest] = label.split("=");
      return [name, rest.join("=")] as const;
    }),
  );
}

export class FakePodman implements Podman {
  readonly containers = new Map<string, Mutable<ContainerFound>>();
  readonly pods = new Map<string, { name: string; status: string; labels: Labels }>();
  readonly volumes = new Map<string, { name: string; labels: Labels; mountpoint?: string }>();
  readonly networks = new Map<string, NetworkFound>();
  /** Container -> path below /data -> content. */
  readonly files = new Map<string, Map<string, string>>();
  readonly stageFiles = new Map<string, string>();
  /** All commands but those that list. */
  readonly commands: string[] = [];
  readonly execs: string[] = [];
  /** Answers to programs run in a container other than a steward. */
  exec_: Exec = () => failed("no such program");
  /** Stewards that do not see the Podman service's socket. */
  readonly blind = new Set<string>();
  /** Called with the steward whose volume has just been filled. */
  imported: ((steward: string) => void) | undefined;
  /** Commands that begin with this text fail. */
  failing: string | undefined;

  list<K extends Kind>(kind: K): Promise<readonly Found[K][]> {
    return Promise.resolve([...(this[kind] as unknown as ReadonlyMap<string, Found[K]>).values()]);
  }

  command(args: readonly string[], options?: RunOptions): Promise<string> {
    const text = args.join(" ");
    if (args[0] !== "ps") this.commands.push(text);
    if (this.failing !== undefined && text.startsWith(this.failing)) {
      return Promise.reject(new Error(`podman ${text.slice(0, 20)} failed: the fake was told so`));
    }
    if (text.startsWith("volume import")) return this.#import(args[2] ?? "", options?.input);
    return Promise.resolve().then(() => this.#apply(args));
  }

  async remove(kind: Removable, name: string, stopSeconds = 0): Promise<void> {
    await this.command(removalArguments(kind, name, stopSeconds));
  }

  /** Into the volume of a node: its steward sees it below /data. */
  async #import(volume: string, input: string | Uint8Array | undefined): Promise<string> {
    if (!(input instanceof Uint8Array)) throw new Error("podman volume import failed: no archive");
    const steward = volume.replace(/-data$/, "-steward");
    const files = this.files.get(steward) ?? new Map<string, string>();
    for (const [path, content] of await readArchive(input)) files.set(path, content);
    this.files.set(steward, files);
    this.imported?.(steward);
    return "";
  }

  lastWords(): Promise<string> {
    return Promise.resolve("it logged nothing");
  }

  async exec(container: string, argv: readonly string[], options?: RunOptions): Promise<Finished> {
    this.execs.push(`${container} ${argv.join(" ")}`);
    if (this.containers.get(container)?.running !== true) return failed(`no such container ${container}`);
    if (!container.endsWith("-steward")) return this.exec_(argv, options);
    const files = this.files.get(container) ?? new Map<string, string>();
    this.files.set(container, files);
    const script = argv[0]?.split("/").at(-1);
    const args = argv.slice(1);
    switch (script) {
      case "receive": {
        const input = options?.input;
        if (!(input instanceof Uint8Array)) return failed("no archive");
        const last = ["join.conf", "steward/node.conf"];
        const received = [...(await readArchive(input))].sort(
          ([a], [b]) => last.indexOf(a) - last.indexOf(b) || (a < b ? -1 : 1),
        );
        for (const [path, content] of received) files.set(path, content);
        return done();
      }
      case "checksums":
        return done(
          args
            .map((path) => {
              const content = files.get(path);
              return `${content === undefined ? "-" : createHash("sha256").update(content).digest("hex")}  ${path}\n`;
            })
            .join(""),
        );
      case "remove":
        for (const path of args) files.delete(path);
        return done();
      case "k3s-stop":
        files.set("steward/k3s.stopped", "");
        return done();
      case "k3s-start":
        files.delete("steward/k3s.stopped");
        return done();
      case "stage":
        return done(this.stageFiles.get(container) ?? '{"node":"","stages":[]}');
      case "cat": {
        const content = files.get((args[0] ?? "").replace("/data/", ""));
        return content === undefined ? failed("no such file") : done(content);
      }
      case "test":
        return this.blind.has(container) ? failed("") : done();
      default:
        return failed(`unknown script ${script ?? ""}`);
    }
  }

  #apply(args: readonly string[]): string {
    const name = args.at(-1) ?? "";
    const labels = labelsOf(args);
    switch (args.slice(0, 2).join(" ")) {
      case "network create": {
        const subnet = `10.89.${String(this.networks.size)}`;
        this.networks.set(name, { name, labels, subnet: `${subnet}.0/24`, gateway: `${subnet}.1` });
        return name;
      }
      case "network rm":
        this.networks.delete(name);
        return "";
      case "volume create":
        this.volumes.set(name, { name, labels });
        return name;
      case "volume rm":
        this.volumes.delete(name);
        return "";
      case "pod create": {
        const pod = values(args, "--name")[0] ?? "";
        const infra = values(args, "--infra-name")[0] ?? "";
        this.pods.set(pod, { name: pod, status: "Running", labels });
        this.#container(infra, labels, pod, values(args, "--network"));
        return pod;
      }
      case "pod rm":
        this.pods.delete(name);
        for (const container of this.containers.values()) {
          if (container.pod === name) this.containers.delete(container.name);
        }
        return "";
      case "create --name":
      case "run --detach":
        this.#container(
          values(args, "--name")[0] ?? "",
          labels,
          values(args, "--pod")[0] ?? "",
          values(args, "--network").map((network) => network.split(":")[0] ?? ""),
        );
        return "";
      default:
        if (args[0] === "rm") this.containers.delete(name);
        if (args[0] === "start") {
          const container = this.containers.get(name);
          if (container !== undefined) container.running = true;
        }
        if (args[0] === "cp") throw new Error("podman cp failed: no such file or directory");
        return "";
    }
  }

  #container(name: string, labels: Labels, pod: string, networks: readonly string[]): void {
    this.containers.set(name, { name, running: true, labels, pod, networks });
  }
}
