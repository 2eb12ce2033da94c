/** A cluster of test/vm/cluster-program.ts: a server on Podman, an agent in a virtual machine behind NAT, on the tailnet of both. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { hostAddress } from "../../components/render/address.ts";
import { k3sReleaseOf } from "../../components/render/k3s-image.ts";
import { clusterObjectName, controlHostName } from "../../components/render/names.ts";
import { images } from "../../components/upstream/images.ts";
import { cacheFolder } from "../../toolchain/folders.ts";
import { asCtr } from "../e2e/support/ctr.ts";
import { exec, objectsOf, podman } from "../e2e/support/podman.ts";
import { ArtifactMirror } from "./artifact-mirror.ts";
import type { ClusterProgram } from "./cluster-program.ts";
import { GuestLab } from "./guest-lab.ts";

const agentDirectory = "/data/rancher/k3s/agent";

export class ClusterLab {
  readonly name: string;
  readonly lab: GuestLab;
  readonly #apiPort: number;
  readonly #mirror: ArtifactMirror;

  private constructor(name: string, apiPort: number, lab: GuestLab, mirror: ArtifactMirror) {
    this.name = name;
    this.#apiPort = apiPort;
    this.lab = lab;
    this.#mirror = mirror;
  }

  static async start(name: string, apiPort: number): Promise<ClusterLab> {
    const network = { name: `homespan-${name}`, bridge: "hsvmnode0", subnet: "198.18.79", nat: true };
    const lab = await GuestLab.start(network);
    const mirror = await ArtifactMirror.start(lab.gateway);
    await nameControlServer(name, lab);
    return new ClusterLab(name, apiPort, lab, mirror);
  }

  /** The server alone. */
  declareServer(): void {
    this.lab.stack.declareCall("cluster-program.ts", "clusterProgram", this.#program());
  }

  /** @param furtherPlaces - where its programs are, too */
  declare(machine: { readonly systemDiskGiB: number }, furtherPlaces: readonly string[] = []): void {
    const { network, address } = this.lab;
    this.lab.stack.declareCall("cluster-program.ts", "clusterProgram", {
      ...this.#program(),
      artifacts: this.#mirror.artifacts(furtherPlaces),
      machine: {
        ...{ vcpus: 2, memoryMiB: 1280, memoryHardLimit: false, dataDisk: { sizeGiB: 4 } },
        ...{ network: { kind: "network", name: network.name }, address, ...machine },
      },
    } satisfies ClusterProgram);
  }

  #program(): ClusterProgram {
    const { publicKey, transport, host, image } = this.lab;
    return {
      clusterName: this.name,
      apiPort: this.#apiPort,
      k3sVersion: k3sReleaseOf(images.k3s),
      artifacts: this.#mirror.artifacts(),
      libvirt: host,
      image,
      keys: { publicKey, privateKey: transport.privateKey },
    };
  }

  /** kubectl on the server. */
  kubectl(args: readonly string[], options: { readonly input?: string } = {}): Promise<string> {
    return exec(`${clusterObjectName(this.name, "server-1")}-k3s`, ["kubectl", ...args], options.input);
  }

  /** Puts the images that pods need where k3s finds them, once the machine has its data directory. */
  async giveImages(): Promise<void> {
    const folder = join(cacheFolder(), "images", "cluster");
    // Waits in the machine: there a login costs as much as a second of it.
    await this.lab.script("until test -e /run/homespan/data-ready; do sleep 1; done", 600);
    for (const file of readdirSync(folder).filter((it) => /^(pause|busybox)/.test(it))) {
      const text = readFileSync(join(folder, file)).toString("base64");
      const target = `${agentDirectory}/images/${file}`;
      await this.lab.script(
        `mkdir -p ${agentDirectory}/images && base64 -d >${target}.part <<'EOT'\n${text}\nEOT\nmv ${target}.part ${target}`,
      );
    }
  }

  /** Images in the machine's own store, once their archives are gone. */
  async storedImages(): Promise<string> {
    return this.lab.script(
      `rm -rf ${agentDirectory}/images && bash -c '${asCtr("/opt/bin/k3s")} images list --quiet'`,
    );
  }

  /** When the machine's QEMU was started, by this machine's clock. */
  poweredOn(): Promise<number> {
    return this.lab.poweredOn(`${this.name}-agent-1`);
  }

  async remove(): Promise<void> {
    await this.lab.stack.run("state", "unprotect", "--all", "--yes", "--stack=test");
    const { ok, text } = await this.lab.stack.destroy();
    if (!ok) throw new Error(text);
  }

  /** After the tests, passed or not: nothing stays. */
  async stop(): Promise<void> {
    if ((await objectsOf(this.name)).length > 0) await this.remove().catch(() => undefined);
    this.#mirror.stop();
    await this.lab.stop();
    for (const object of await objectsOf(this.name)) {
      const [kind = "", found = ""] = object.split(" ");
      await podman([kind, "rm", "--force", found], { mayFail: true });
    }
  }
}

/**
 * The control server has no public name here: the machine's network learns it, as a router at home might. For that the
 * control server's network is made before the stack, which takes it for its own by its label.
 */
async function nameControlServer(cluster: string, { libvirtd, network }: GuestLab): Promise<void> {
  const wan = clusterObjectName(cluster, "wan");
  const labels = ["--label", `homespan.cluster=${cluster}`, "--label", "homespan.site=wan"];
  await podman(["network", "create", ...labels, wan]);
  const [found] = JSON.parse((await podman(["network", "inspect", wan])).stdout) as {
    readonly subnets: readonly { readonly subnet: string }[];
  }[];
  const control = hostAddress(found?.subnets[0]?.subnet ?? "", 10);
  const entry = `<host ip='${control}'><hostname>${controlHostName(cluster)}</hostname></host>`;
  await libvirtd.virsh("net-update", network.name, "add", "dns-host", entry, "--live");
}
