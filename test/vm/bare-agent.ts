/** An agent without Homespan in the virtual machine of the tests: k3s alone, downloaded at the first start, without a tailnet. */
import { K3dCluster } from "../../bench/support/k3d.ts";
import { type IgnitionConfig, renderIgnition } from "../../components/render/ignition.ts";
import { repository, run } from "../e2e/support/command.ts";
import { type KubeNode, readySince } from "../e2e/support/kube.ts";
import { podman } from "../e2e/support/podman.ts";
import { eventually } from "../e2e/support/wait.ts";
import { ArtifactMirror } from "./artifact-mirror.ts";
import { GuestLab } from "./guest-lab.ts";

const name = "vm-bare";
const network = { name: `homespan-${name}`, bridge: "hsvmbare0", subnet: "198.18.77", nat: true };
const machine = `${name}-agent-1`;

export class BareAgent {
  readonly #lab: GuestLab;
  readonly #server = new K3dCluster("hs-vm-bare");
  #mirror: ArtifactMirror | undefined;

  private constructor(lab: GuestLab) {
    this.#lab = lab;
  }

  /** Everything up to the machine's start. */
  static async start(): Promise<BareAgent> {
    await run(`${repository}homespan`, ["toolchain", "--prepare", "--group", "bench", "--yes"], {
      timeoutSeconds: 1500,
    });
    const bare = new BareAgent(await GuestLab.start(network));
    try {
      await bare.#server.prepare();
      await bare.#server.create(0, ["traefik", "servicelb", "metrics-server", "local-storage"]);
      return bare;
    } catch (error) {
      await bare.stop();
      throw error;
    }
  }

  /** Seconds from the start of the machine's QEMU to a Node that is Ready. */
  async seconds(): Promise<number> {
    const lab = this.#lab;
    lab.stack.declare({
      ...{ ...lab.host, image: lab.image },
      machines: [
        {
          ...{ resourceName: "agent-1", machineName: machine, vcpus: 2, memoryMiB: 1280 },
          ...{ memoryHardLimit: false, systemDiskGiB: 4, address: lab.address },
          network: { kind: "network", name: network.name },
          ignition: renderIgnition(await this.#configuration()),
        },
      ],
    });
    await lab.up();
    const since = async (): Promise<number> =>
      readySince(
        JSON.parse(await this.#server.kubectl(["get", "node", machine, "--output", "json"])) as KubeNode,
      );
    // Seldom: kubectl takes a processor away from the machine.
    const ready = await eventually("the bare agent is Ready", 900, since, 10);
    return (ready - (await lab.poweredOn(machine))) / 1000;
  }

  async stop(): Promise<void> {
    await this.#lab.stack.destroy();
    this.#mirror?.stop();
    await this.#server.cleanUp();
    await this.#lab.stop();
  }

  async #configuration(): Promise<IgnitionConfig> {
    this.#mirror = await ArtifactMirror.start(this.#lab.gateway);
    const container = "k3d-hs-vm-bare-server-0";
    const token = (
      await podman(["exec", container, "cat", "/var/lib/rancher/k3s/server/token"])
    ).stdout.trim();
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    const address = (await podman(["inspect", "--format", format, container])).stdout.trim();
    const agent = `/opt/bin/k3s agent --server https://${address}:6443 --token ${token} --node-name ${machine}`;
    return {
      users: [{ name: "core", sshAuthorizedKeys: [this.#lab.publicKey] }],
      files: [{ path: "/etc/hostname", mode: 0o644, contents: machine }],
      units: [
        { name: "k3s-agent.service", enabled: true, contents: unit(this.#mirror.artifact("k3s"), agent) },
      ],
    };
  }
}

/** As k3s's own installer writes it, with its download and its look at the sum (`verify_binary`). https://get.k3s.io */
function unit({ url, sha256 }: { readonly url: string; readonly sha256: string }, agent: string): string {
  return `[Unit]
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Environment=PATH=/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/cni/bin
ExecStartPre=/bin/sh -c 'mkdir -p /opt/bin && curl -fsS -o /opt/bin/k3s ${url} && echo "${sha256}  /opt/bin/k3s" | sha256sum --check --quiet && chmod 755 /opt/bin/k3s'
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=${agent}

[Install]
WantedBy=multi-user.target
`;
}
