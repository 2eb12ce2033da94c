/**
 * A Mac with Lima in memory. It refuses what the real `limactl` 2.2.0 refuses, in its words (cmd/limactl and pkg/limayaml of
 * github.com/lima-vm/lima), and forgets what that one forgets. In the machines run nodes of a Kubernetes in memory.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { kubeletKubeconfig } from "../../provider/effects/kubelet-api.ts";
import { MacAway, type Macs } from "../../provider/effects/macs.ts";
import type { Verb } from "../../provider/effects/kubernetes.ts";
import type { Finished, RunOptions } from "../../provider/effects/process.ts";
import type { SshFailure } from "../../provider/effects/ssh-failure.ts";
import type { Mac } from "../../provider/schema/lima.ts";
import { type FakeKubernetes, type FakeNode } from "./fake-kubernetes.ts";

interface Config {
  minimumLimaVersion?: string;
  vmType: string;
  images: { location: string; arch: string; digest: string }[];
  cpus: number;
  memory: string;
  disk: string;
  plain?: boolean;
  additionalDisks?: { name: string; format?: boolean }[];
  networks?: { lima: string }[];
  ssh?: { localPort?: number };
  provision?: { mode: string; path?: string; content?: string; script?: string }[];
  message?: string;
}
export interface FakeInstance {
  config: Config;
  status: "Running" | "Stopped";
  /** How often it was started. */
  starts: number;
}
interface FakeDisk {
  sizeGiB: number;
  mark: string;
  /** What was written to it. */
  content: string;
  /** Who holds it. */
  instance: string;
}

const KNOWN = [
  ...[
    "minimumLimaVersion",
    "vmType",
    "images",
    "cpus",
    "memory",
    "disk",
    "plain",
    "additionalDisks",
    "networks",
    "ssh",
  ],
  ...["provision", "message", "user", "mounts", "containerd", "video", "upgradePackages", "timezone"],
];
const NAME = /^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$/;
const scripts = ["probe", "starts", "forget-start", "new-disk", "user-key", "authorize", "forbid"] as const;
const texts = new Map(
  scripts.map((name) => [
    readFileSync(join(import.meta.dirname, `../../provider/effects/lima/${name}.sh`), "utf8"),
    name,
  ]),
);

const done = (stdout = "", stderr = ""): Finished => ({ code: 0, stdout, stderr });
const fatal = (message: string): Finished => ({
  code: 1,
  stdout: "",
  stderr: `time="2026-11-28T03:00:00Z" level=fatal msg=${JSON.stringify(message)}\n`,
});
const gib = (text: string): number => {
  const [, number = "0", unit] = /^([\d.]+)(MiB|GiB)$/.exec(text) ?? [];
  return unit === "MiB" ? Number(number) / 1024 : Number(number);
};

export class FakeLima implements Macs {
  readonly instances = new Map<string, FakeInstance>();
  readonly disks = new Map<string, FakeDisk>();
  /** What launchd knows: `boot` outlives its machine, as Lima forgets it. */
  readonly launchd = new Map<string, "boot" | "login">();
  readonly keys: string[] = [];
  /** Commands, without what came on standard input. */
  readonly commands: string[] = [];
  readonly networks = new Set(["user-v2", "shared", "bridged", "host"]);
  facts: Record<string, string> = {
    PROBE: "1",
    OS: "Darwin",
    ARCHITECTURE: "arm64",
    OS_VERSION: "15.6.1",
    USER_ID: "501",
    USER_NAME: "admin",
    MEMORY_BYTES: String(64 * 1024 ** 3),
    CPUS: "10",
    LIMA_HOME: "/Users/admin/.lima",
    FREE_KIB: String(2000 * 1024 ** 2),
    LIMA: "2.2.0",
    QEMU: "",
    VMNET: "ok",
    SUDO_BOOT: "yes",
  };
  /** Why the Mac cannot be reached. */
  away: SshFailure | undefined;
  /** Machines whose images cannot be had. */
  readonly withoutImage = new Set<string>();
  /** Machines that do not come up. */
  readonly broken = new Set<string>();
  /** Machines into which there is no way for a while, and what `limactl shell` answers then. */
  readonly deaf = new Map<string, Partial<Finished>>();
  /** What is said instead of the marks of disks. */
  unread: string | undefined;
  /** What an edit ends with. */
  refusedEdit: string | undefined;
  /** Nodes that do not become Ready again. */
  readonly stuck = new Set<string>();
  /** Called when a command of Lima's begins. */
  began: (argv: readonly string[]) => void = () => undefined;
  #boots = 0;
  readonly #kubernetes: FakeKubernetes;

  constructor(kubernetes: FakeKubernetes) {
    this.#kubernetes = kubernetes;
  }

  async run(mac: Mac, argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
    if (this.away !== undefined && mac.kind === "ssh") throw new MacAway(mac, this.away);
    const input = typeof options.input === "string" ? options.input : "";
    if (argv[0] === "/bin/sh") return this.#script(argv.slice(3), input);
    if (argv.slice(0, 3).join(" ") === "env LC_ALL=C cat") return this.#cat(argv[3] ?? "");
    if (argv[0] !== "limactl") throw new Error(`the fake Mac has no ${argv.join(" ")}`);
    this.commands.push(argv.slice(1).join(" "));
    this.began(argv);
    return this.#limactl(
      argv.slice(1).filter((word) => word !== "--tty=false"),
      input,
    );
  }

  /** Makes the node of a machine known to the cluster, Ready since its start. */
  join(instance: string, node: FakeNode): void {
    this.#kubernetes.nodes.set(node.metadata.name, node);
    this.#boot(node, instance);
  }

  nodeOf(instance: string): string {
    return /^Homespan: (\S+) of/.exec(this.instances.get(instance)?.config.message ?? "")?.[1] ?? "";
  }

  #boot(node: FakeNode, instance: string): void {
    this.#boots += 1;
    const { status } = node;
    Object.assign(status, { nodeInfo: { bootID: `boot-${String(this.#boots)}` } });
    const ready = status.conditions.find(({ type }) => type === "Ready");
    if (ready !== undefined) ready.status = this.stuck.has(instance) ? "False" : "True";
  }

  #script(args: readonly string[], input: string): Finished {
    const [first = "", second = "", third = ""] = args;
    switch (texts.get(input)) {
      case "probe":
        return done(
          Object.entries(this.facts)
            .map(([key, value]) => `${key}=${value}\n`)
            .join(""),
        );
      case "starts":
        return done(`${this.launchd.get(first) ?? "off"}\n`);
      case "forget-start":
        this.launchd.delete(first);
        return done();
      case "user-key":
        return done();
      case "new-disk": {
        const made = this.#newDisk(first, second);
        if (made.code !== 0) return made;
        this.disks.get(first)!.mark = third;
        return done(`${this.#directory(first)}\n`);
      }
      case "authorize":
        if (!this.keys.includes(first)) this.keys.push(first);
        return done();
      case "forbid":
        if (this.keys.includes(first)) this.keys.splice(this.keys.indexOf(first), 1);
        return done();
      default:
        throw new Error("the fake Mac knows no such script");
    }
  }

  #directory(disk: string): string {
    return `/Users/admin/.lima/_disks/${disk}`;
  }

  #cat(path: string): Finished {
    const disk = this.disks.get(path.split("/").at(-2) ?? "");
    if (this.unread !== undefined) return { code: 1, stdout: "", stderr: this.unread };
    if (disk === undefined || disk.mark === "")
      return { code: 1, stdout: "", stderr: `cat: ${path}: No such file or directory\n` };
    return done(`${disk.mark}\n`);
  }

  #limactl(argv: readonly string[], input: string): Promise<Finished> | Finished {
    const [verb, ...rest] = argv;
    switch (verb) {
      case "list":
        return this.#list(rest);
      case "create":
        return this.#create(rest, input);
      case "edit":
        return this.#edit(rest);
      case "start":
        return this.#start(rest);
      case "stop":
        return this.#stop(rest);
      case "delete":
        return this.#delete(rest);
      case "autostart":
        return this.#autostart(rest);
      case "shell":
        return this.#shell(rest, input);
      case "disk":
        return this.#disk(rest);
      default:
        return fatal(`unknown command "${verb ?? ""}" for "limactl"`);
    }
  }

  #list([flag, ...names]: readonly string[]): Finished {
    if (flag !== "--json") throw new Error("the fake lists as JSON alone");
    const wanted = names.length === 0 ? [...this.instances.keys()] : names;
    const found = wanted.filter((name) => this.instances.has(name));
    const lines = found.map((name) => {
      const { config, status } = this.instances.get(name)!;
      const sizes = { memory: gib(config.memory) * 1024 ** 3, disk: gib(config.disk) * 1024 ** 3 };
      return `${JSON.stringify({ name, status, cpus: config.cpus, ...sizes, message: config.message, config })}\n`;
    });
    const missing = wanted.length > found.length;
    return missing ? { ...fatal("unmatched instances"), stdout: lines.join("") } : done(lines.join(""));
  }

  #create([option, name = "", file]: readonly string[], input: string): Finished {
    if (option !== "--name" || file !== "-") throw new Error("the fake creates from standard input alone");
    if (!NAME.test(name) || name.length > 76)
      return fatal(`instance name \`${name}\` is not a valid identifier`);
    if (this.instances.has(name)) return fatal(`instance \`${name}\` already exists`);
    const config = parse(input) as Config;
    const wrong = this.#problem(config);
    if (wrong !== undefined) return fatal(wrong);
    this.instances.set(name, { config, status: "Stopped", starts: 0 });
    // The real one leaves the instance there.
    return this.withoutImage.has(name)
      ? fatal("failed to download the image: unexpected status code 404")
      : done();
  }

  /** As pkg/limayaml's Validate. */
  #problem(config: Config): string | undefined {
    // The real one warns only: nothing here reads its warnings.
    const unknown = Object.keys(config).find((key) => !KNOWN.includes(key));
    if (unknown !== undefined) return `unknown field "${unknown}"`;
    if (config.vmType === "vz" && this.facts["OS"] !== "Darwin") return "vmType vz is not supported";
    if (config.images.length === 0) return "field `images` must be set";
    if (config.cpus === 0) return "field `cpus` must be set";
    for (const { digest } of config.images) {
      if (!/^sha256:[0-9a-f]{64}$/.test(digest)) return `field \`images[0].digest\` is invalid: ${digest}`;
    }
    for (const { name } of config.additionalDisks ?? []) {
      if (!NAME.test(name)) return "field `additionalDisks[0].name is invalid`";
    }
    for (const { lima } of config.networks ?? []) {
      if (!this.networks.has(lima))
        return `field \`networks[0].lima\` references network \`${lima}\` which is not defined in networks.yaml`;
      if (lima !== "user-v2" && this.facts["OS"] !== "Darwin")
        return "field `networks[0].lima` is only supported on macOS right now";
    }
    for (const { mode, path, script } of config.provision ?? []) {
      if (mode === "data" && !(path ?? "").startsWith("/"))
        return "field `provision[0].path` must be an absolute path";
      if (mode === "system" && (script ?? "") === "") return "field `provision[0].script` must not be empty";
    }
    return undefined;
  }

  #edit([option, expression = "", name = ""]: readonly string[]): Finished {
    if (option !== "--set") throw new Error("the fake edits by expression alone");
    const found = this.instances.get(name);
    if (found === undefined) return fatal(`instance \`${name}\` not found`);
    if (found.status === "Running") return fatal("cannot edit a running instance");
    if (this.refusedEdit !== undefined) return fatal(this.refusedEdit);
    const edited = { ...found.config };
    for (const part of expression.split(" | ")) {
      const [, key = "", value = ""] = /^\.(cpus|memory|disk) = (.+)$/.exec(part) ?? [];
      if (key === "") return fatal(`invalid input text "${part}"`);
      Object.assign(edited, { [key]: JSON.parse(value) as unknown });
    }
    if (gib(edited.disk) < gib(found.config.disk)) {
      return fatal(
        `field \`disk\`: shrinking the disk (${found.config.disk} --> ${edited.disk}) is not supported`,
      );
    }
    found.config = edited;
    return done();
  }

  #start(argv: readonly string[]): Finished {
    const name = argv.at(-1) ?? "";
    if (argv[0] !== "--timeout" || !/^\d+s$/.test(argv[1] ?? "")) throw new Error("a start must be bounded");
    const found = this.instances.get(name);
    // The real one makes one of its default template then: never meant here.
    if (found === undefined) throw new Error(`limactl start ${name} would make another machine`);
    if (found.status === "Running") return done("", "The instance is already running");
    if (this.broken.has(name)) return fatal('did not receive an event with the "running" status');
    for (const { name: disk } of found.config.additionalDisks ?? []) {
      const held = this.disks.get(disk);
      if (held === undefined) return fatal(`failed to run load disk \`${disk}\`: no such file`);
      if (held.instance !== "" && held.instance !== name) {
        return fatal(`failed to attach disk \`${disk}\`: in use by instance \`${held.instance}\``);
      }
      held.instance = name;
    }
    found.status = "Running";
    found.starts += 1;
    const node = this.#kubernetes.nodes.get(this.nodeOf(name));
    if (node !== undefined) this.#boot(node, name);
    return done();
  }

  #release(name: string): void {
    for (const disk of this.disks.values()) if (disk.instance === name) disk.instance = "";
  }

  #stop([name = ""]: readonly string[]): Finished {
    const found = this.instances.get(name);
    if (found === undefined) return fatal(`open ${name}/lima.yaml: no such file or directory`);
    if (found.status !== "Running") {
      return fatal("expected status `Running`, got `Stopped` (maybe use `limactl stop -f`?)");
    }
    found.status = "Stopped";
    this.#release(name);
    return done();
  }

  #delete(argv: readonly string[]): Finished {
    const force = argv.includes("--force");
    const name = argv.at(-1) ?? "";
    const found = this.instances.get(name);
    if (found === undefined) return done("", `Ignoring non-existent instance \`${name}\``);
    if (!force && found.status === "Running")
      return fatal(`failed to delete instance \`${name}\`: expected status \`Stopped\`, got \`Running\``);
    this.instances.delete(name);
    this.#release(name);
    if (this.launchd.get(name) === "login") this.launchd.delete(name);
    return done();
  }

  #autostart([verb, ...rest]: readonly string[]): Finished {
    const name = rest.at(-1) ?? "";
    if (!this.instances.has(name)) return fatal(`instance "${name}" not found`);
    if (verb === "disable") {
      this.launchd.delete(name);
      return done();
    }
    const [option, condition] = rest;
    if (verb !== "enable" || option !== "--condition") return fatal(`unknown command "${verb ?? ""}"`);
    if (condition !== "boot" && condition !== "login") {
      return fatal(`unknown condition "${condition ?? ""}": must be "login" or "boot"`);
    }
    if (condition === "boot" && this.facts["OS"] !== "Darwin") {
      return fatal("--condition=boot is only supported on macOS");
    }
    if (condition === "boot" && this.facts["SUDO_BOOT"] !== "yes") {
      return fatal("failed to install plist: exit status 1");
    }
    this.launchd.set(name, condition);
    return done();
  }

  async #shell(argv: readonly string[], input: string): Promise<Finished> {
    const [option, , name = "", ...command] = argv;
    if (option !== "--workdir") throw new Error("a shell without --workdir tries the Mac's own directory");
    const found = this.instances.get(name);
    if (found === undefined)
      return fatal(`instance \`${name}\` does not exist, run \`limactl create ${name}\``);
    if (found.status !== "Running") {
      return fatal(`instance \`${name}\` is stopped, run \`limactl start ${name}\` to start the instance`);
    }
    const deaf = this.deaf.get(name);
    if (deaf !== undefined) return { code: 1, stdout: "", stderr: "", ...deaf };
    const [sudo, flag, program, ...rest] = command;
    if (sudo !== "sudo" || flag !== "-n")
      throw new Error(`in the machine, not as root: ${command.join(" ")}`);
    const node = this.nodeOf(name);
    if (program === "/bin/sh") {
      if (rest.at(-1) !== kubeletKubeconfig) throw new Error(`in the machine, ${rest.join(" ")}`);
      return done(this.#kubernetes.nodes.has(node) ? "yes\n" : "no\n");
    }
    if (program !== "/usr/lib/homespan/bin/kubectl") throw new Error(`the machine has no ${program ?? ""}`);
    return this.#kubectl(node, rest, input);
  }

  /** What a kubelet may do, and with its own objects alone. */
  async #kubectl(node: string, args: readonly string[], input: string): Promise<Finished> {
    const words = args.filter(
      (word) => !/^--(kubeconfig|request-timeout|filename|patch-file|output)=/.test(word),
    );
    const verbs: Record<string, Verb> = { get: "GET", create: "POST", delete: "DELETE", patch: "PATCH" };
    const verb = verbs[words[0] ?? ""];
    const path =
      verb === "PATCH" ? `/api/v1/nodes/${words[2] ?? ""}` : (words[1] ?? "").replace("--raw=", "");
    if (verb === undefined) throw new Error(`kubectl ${args.join(" ")}`);
    const own =
      path === `/api/v1/nodes/${node}` ||
      path === `/api/v1/pods?fieldSelector=spec.nodeName%3D${node}` ||
      this.#kubernetes.pods.some(
        ({ metadata, spec }) => spec.nodeName === node && path.includes(`/pods/${metadata.name}`),
      );
    if (!own) return { code: 1, stdout: "", stderr: `Error from server (Forbidden): ${path} is forbidden` };
    const api = await this.#kubernetes.connect({ kubeconfig: "", endpoints: ["https://server-1:6443"] });
    try {
      const body: unknown = input === "" ? undefined : JSON.parse(input);
      const { status, body: answer } = await api.call(verb, path, body);
      if (status < 300) return done(JSON.stringify(answer));
      const reasons: Record<number, string> = { 404: "NotFound", 429: "TooManyRequests" };
      return { code: 1, stdout: "", stderr: `Error from server (${reasons[status] ?? "InternalError"}): no` };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return {
        code: 1,
        stdout: "",
        stderr: `The connection to the server 127.0.0.1:6444 was refused: ${text}`,
      };
    }
  }

  #newDisk(name: string, size: string): Finished {
    if (this.disks.has(name)) return fatal(`disk \`${name}\` already exists (\`${this.#directory(name)}\`)`);
    if (gib(size) === 0) return fatal(`invalid size: '${size}'`);
    this.disks.set(name, { sizeGiB: gib(size), mark: "", content: "", instance: "" });
    return done();
  }

  #disk([verb, ...rest]: readonly string[]): Finished {
    const name = rest.at(-1) ?? "";
    const found = this.disks.get(name);
    if (verb === "list") {
      if (found === undefined) return done("", `level=warning msg="No disk matching ${name} found."`);
      const { sizeGiB, instance } = found;
      return done(JSON.stringify({ name, size: sizeGiB * 1024 ** 3, dir: this.#directory(name), instance }));
    }
    if (verb !== "delete" || rest.length !== 1)
      throw new Error(`limactl disk ${verb ?? ""} ${rest.join(" ")}`);
    if (found === undefined) return done("", `Ignoring non-existent disk \`${name}\``);
    if (found.instance !== "")
      return fatal(`cannot delete disk \`${name}\` in use by instance \`${found.instance}\``);
    const named = [...this.instances].filter(([, { config }]) =>
      (config.additionalDisks ?? []).some((it) => it.name === name),
    );
    if (named.length > 0) {
      return done(
        "",
        `Skipping deleting disk \`${name}\`, disk is referenced by one or more non-running instances: \`[${named.map(([it]) => it).join(" ")}]\``,
      );
    }
    this.disks.delete(name);
    return done();
  }
}
