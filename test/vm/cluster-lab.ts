/** A cluster of test/vm/cluster-program.ts: a server on Podman, an agent in a virtual machine behind NAT, on the tailnet of both. */
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { hostAddress } from "../../components/render/address.ts";
import { k3sReleaseOf } from "../../components/render/k3s-image.ts";
import { clusterObjectName, controlHostName } from "../../components/render/names.ts";
import { images } from "../../components/upstream/images.ts";
import { makeArtifacts, type MadeArtifact } from "../../rehearsal/daemon/artifacts.ts";
import { mirrorPath, mirrorServer } from "../../rehearsal/daemon/mirror.ts";
import type { Mirror } from "../../stacks/artifacts.ts";
import { cacheFolder } from "../../toolchain/folders.ts";
import { listTools } from "../../toolchain/index.ts";
import { asCtr } from "../e2e/support/ctr.ts";
import { exec, objectsOf, podman } from "../e2e/support/podman.ts";
import type { ClusterProgram } from "./cluster-program.ts";
import { GuestLab } from "./guest-lab.ts";

const agentDirectory = "/data/rancher/k3s/agent";

export class ClusterLab {
  readonly name: string;
  readonly lab: GuestLab;
  readonly #apiPort: number;
  readonly #server: Server;
  readonly #artifacts: Mirror;

  private constructor(
    name: string,
    apiPort: number,
    lab: GuestLab,
    made: readonly MadeArtifact[],
    server: Server,
  ) {
    this.name = name;
    this.#apiPort = apiPort;
    this.lab = lab;
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    const url = (artifact: MadeArtifact): string =>
      `http://${lab.gateway}:${String(port)}${mirrorPath(artifact)}`;
    this.#artifacts = Object.fromEntries(
      made.map((artifact) => [
        artifact.name,
        { [artifact.arch]: { urls: [url(artifact)], sha256: artifact.sha256 } },
      ]),
    );
  }

  static async start(name: string, apiPort: number): Promise<ClusterLab> {
    const network = { name: `homespan-${name}`, bridge: "hsvmnode0", subnet: "198.18.79", nat: true };
    const lab = await GuestLab.start(network);
    const made = await artifacts();
    const server = mirrorServer(made, [lab.gateway]);
    await new Promise<void>((resolve) => server.listen(0, lab.gateway, resolve));
    await nameControlServer(name, lab);
    return new ClusterLab(name, apiPort, lab, made, server);
  }

  declare(machine: Pick<ClusterProgram["machine"], "systemDiskGiB">): void {
    const { publicKey, transport, network, address, host, image } = this.lab;
    const program: ClusterProgram = {
      clusterName: this.name,
      apiPort: this.#apiPort,
      k3sVersion: k3sReleaseOf(images.k3s),
      artifacts: this.#artifacts,
      libvirt: host,
      image,
      keys: { publicKey, privateKey: transport.privateKey },
      machine: {
        ...{ vcpus: 2, memoryMiB: 1280, memoryHardLimit: false, dataDisk: { sizeGiB: 4 } },
        ...{ network: { kind: "network", name: network.name }, address, ...machine },
      },
    };
    this.lab.stack.declareCall("cluster-program.ts", "clusterProgram", program);
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
    this.#server.close();
    await this.lab.stop();
    for (const object of await objectsOf(this.name)) {
      const [kind = "", found = ""] = object.split(" ");
      await podman([kind, "rm", "--force", found], { mayFail: true });
    }
  }
}

/** What machines download, made of the toolchain's own programs. */
export async function artifacts(): Promise<readonly MadeArtifact[]> {
  const rows = await listTools();
  const program = (name: string): { path: string; version: string } => {
    const row = rows.find(({ tool }) => tool === name);
    if (row?.path === undefined || row.path === null) throw new Error(`${name} is not installed`);
    return { path: row.path, version: row.version };
  };
  const folder = join(cacheFolder(), "rehearsal");
  mkdirSync(folder, { recursive: true });
  const programs = {
    k3s: program("k3s"),
    tailscale: program("tailscale"),
    tailscaled: program("tailscaled"),
  };
  return makeArtifacts(programs, "amd64", folder);
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
