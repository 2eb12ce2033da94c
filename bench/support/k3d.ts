/** The peer: the same k3s in k3d, on a Podman socket and a Podman network of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { k3dMachineArguments } from "../../components/render/k3d.ts";
import { detectMachine } from "../../toolchain/machine.ts";
import { pause, run } from "./command.ts";
import type { Finished } from "./command.ts";

const images = {
  node: "localhost/homespan/bench-k3d-node:1",
  tools: "localhost/homespan/bench-k3d-tools:1",
} as const;

/** Where k3s looks for images to load. https://docs.k3s.io/installation/airgap */
const imagesDirectory = "/var/lib/rancher/k3s/agent/images";
const containerdDirectory = "/var/lib/rancher/k3s/agent/etc/containerd";

/** Without CAP_SYS_RESOURCE containerd must not lower a pod's oom_score_adj. */
const restriction = `version = 3
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
`;

export class K3dCluster {
  readonly #name: string;
  readonly #network: string;
  readonly #folder: string;
  #service: ChildProcess | undefined;

  constructor(name = "hs-bench", network = `${name}-k3d`) {
    this.#name = name;
    this.#network = network;
    this.#folder = mkdtempSync(join(tmpdir(), "homespan-bench-k3d-"));
  }

  get #socket(): string {
    return join(this.#folder, "podman.sock");
  }

  /** Builds k3d's two images, makes the network and serves the socket: what a user of k3d has already. */
  async prepare(): Promise<void> {
    for (const [role, image] of Object.entries(images)) {
      const file = new URL(`../images/k3d-${role}.Containerfile`, import.meta.url).pathname;
      await run("podman", ["build", "--quiet", "--tag", image, "--file", file, this.#folder]);
    }
    await run("podman", ["network", "create", this.#network], { mayFail: true });
    this.#service = spawn("podman", ["system", "service", "--time=0", `unix://${this.#socket}`], {
      stdio: "ignore",
    });
    for (let tries = 0; tries < 50 && !existsSync(this.#socket); tries += 1) await pause(0.2);
  }

  /** k3d's arguments for what this machine lacks, the same that the nodes of the ci stack get. */
  #restrictions(): string[] {
    const machine = detectMachine();
    const args: string[] = [];
    args.push(...k3dMachineArguments({ rootless: !machine.root, cgroupV1: machine.cgroup === "v1" }));
    if (!machine.sysResource) {
      const template = join(this.#folder, "config-v3.toml.tmpl");
      const imported = join(this.#folder, "restricted.toml");
      writeFileSync(
        template,
        `imports = ["${containerdDirectory}/restricted.toml"]\n{{ template "base" . }}\n`,
      );
      writeFileSync(imported, restriction);
      args.push("--volume", `${template}:${containerdDirectory}/config-v3.toml.tmpl@all`);
      args.push("--volume", `${imported}:${containerdDirectory}/restricted.toml@all`);
    }
    return args;
  }

  /** What every machine has to say beside the topology: the node's image, and images for pods where no registry is reached. */
  machineArguments(): string[] {
    const clusterImages = process.env["HOMESPAN_CLUSTER_IMAGES"];
    return [
      ...["--image", images.node],
      ...(clusterImages === undefined ? [] : ["--volume", `${clusterImages}:${imagesDirectory}@all`]),
      ...this.#restrictions(),
    ];
  }

  /** `k3d ...` on this service. */
  async k3d(args: readonly string[]): Promise<Finished> {
    return run("k3d", args, {
      env: {
        DOCKER_HOST: `unix://${this.#socket}`,
        DOCKER_SOCK: this.#socket,
        K3D_IMAGE_TOOLS: images.tools,
        KUBECONFIG: join(this.#folder, "kubeconfig"),
      },
    });
  }

  /** One server and so many agents, no load balancer, the same components disabled, labelled like the ci stack's sites. */
  async create(agents: number, disable: readonly string[]): Promise<Finished> {
    const count = agents.toString();
    return this.k3d([
      "cluster",
      "create",
      this.#name,
      ...["--servers", "1", "--agents", count, "--no-lb", "--network", this.#network],
      ...["--kubeconfig-update-default=false", "--kubeconfig-switch-context=false", "--wait"],
      ...["--k3s-arg", `--disable=${disable.join(",")}@server:*`],
      ...["--k3s-node-label", "homespan.dev/site=cloud@server:*"],
      ...(agents > 0 ? ["--k3s-node-label", "homespan.dev/site=home@agent:*"] : []),
      ...this.machineArguments(),
    ]);
  }

  async kubectl(args: readonly string[], input?: string): Promise<string> {
    const flags = input === undefined ? [] : ["--interactive"];
    const command = ["exec", ...flags, `k3d-${this.#name}-server-0`, "kubectl", ...args];
    return (await run("podman", command, input === undefined ? {} : { input })).stdout;
  }

  async remove(): Promise<Finished> {
    return this.k3d(["cluster", "delete", this.#name]);
  }

  /** Ends the service and removes network and files. The images stay: they are the cache. */
  async cleanUp(): Promise<void> {
    if (existsSync(this.#socket)) await this.remove().catch(() => "there was none");
    await run("podman", ["network", "rm", "--force", this.#network], { mayFail: true });
    this.#service?.kill("SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
