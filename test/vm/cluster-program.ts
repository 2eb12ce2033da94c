/** A program for tests: one server on this machine's Podman, as the ci stack makes it, and an agent in a virtual machine. */
import * as pulumi from "@pulumi/pulumi";
import { HeadscaleTailnet } from "../../components/headscale/headscale-tailnet.ts";
import { ClusterIdentity } from "../../components/k3s/cluster-identity.ts";
import { K3sCluster } from "../../components/k3s/k3s-cluster.ts";
import { FlatcarVm, type FlatcarVmArgs } from "../../components/libvirt/flatcar-vm.ts";
import { LibvirtHost } from "../../components/libvirt/libvirt-host.ts";
import { VmImage } from "../../components/libvirt/vm-image.ts";
import type { FlatcarImage } from "../../components/render/flatcar-image.ts";
import { stewardContainer } from "../../components/render/names.ts";
import { PodmanService } from "../../components/steward/podman-service.ts";
import { SiteNetwork } from "../../components/steward/site-network.ts";
import { StewardNode } from "../../components/steward/steward-node.ts";
import { images } from "../../components/upstream/images.ts";
import { type Mirror, machineArtifacts } from "../../stacks/artifacts.ts";
import { ciMachine } from "../../stacks/ci-machine.ts";
import type { Virtualization } from "../../rehearsal/libvirt/virtualization.ts";

export interface ClusterProgram {
  readonly clusterName: string;
  readonly apiPort: number;
  readonly k3sVersion: string;
  readonly artifacts: Mirror;
  readonly libvirt: {
    readonly uri: string;
    readonly pool: string;
    readonly virtualization: Virtualization;
  };
  readonly image: FlatcarImage;
  readonly keys: { readonly publicKey: string; readonly privateKey: string };
  /** Without it the server is alone. */
  readonly machine?: MachineArgs;
}

type MachineArgs = Pick<
  FlatcarVmArgs,
  "vcpus" | "memoryMiB" | "memoryHardLimit" | "systemDiskGiB" | "dataDisk" | "network" | "address"
>;

const [serverName, agentName] = ["server-1", "agent-1"];

export function clusterProgram(program: ClusterProgram): void {
  const { clusterName, machine } = program;
  const container = stewardContainer(clusterName, serverName);
  const identity = new ClusterIdentity(
    "identity",
    { clusterName, serverTransports: [{ kind: "podman", container }] },
    {},
  );
  const wan = new SiteNetwork("wan", { clusterName, site: "wan", denyFromSubnets: [] }, {});
  const tailnet = new HeadscaleTailnet("tailnet", { clusterName, network: wan, image: images.headscale });
  new K3sCluster("cluster", {
    clusterName,
    identity,
    servers: [{ host: server(program, tailnet) }],
    agents: machine === undefined ? [] : [{ host: agent(program, tailnet, machine) }],
    datastore: "sqlite",
    disable: ["traefik", "servicelb", "metrics-server", "local-storage"],
  });
}

function server({ clusterName, apiPort }: ClusterProgram, tailnet: HeadscaleTailnet): StewardNode {
  const cloud = new SiteNetwork("cloud", { clusterName, site: "cloud", denyFromSubnets: [] }, {});
  const socketDirectory = `/run/homespan/${clusterName}`;
  const podman = new PodmanService("podman", { clusterName, socketDirectory }, {});
  const { steward, tailscale, k3s } = images;
  return new StewardNode(serverName, {
    ...ciMachine(),
    ...{ clusterName, nodeName: serverName, role: "server", site: "cloud", apiPort },
    networkName: cloud.networkName,
    tailnet,
    socketDirectory: podman.socketDirectory,
    images: { steward, tailscale, k3s },
  });
}

function agent(program: ClusterProgram, tailnet: HeadscaleTailnet, machine: MachineArgs): FlatcarVm {
  const { clusterName, libvirt, keys, k3sVersion, artifacts } = program;
  const { uri, pool, virtualization } = libvirt;
  return new FlatcarVm(agentName, {
    ...machine,
    ...{ clusterName, nodeName: agentName, role: "agent", tailnet },
    host: new LibvirtHost("host", { uri, pool, site: "home", ...virtualization }),
    image: new VmImage("image", program.image),
    publicKey: keys.publicKey,
    privateKey: pulumi.secret(keys.privateKey),
    artifacts: machineArtifacts(k3sVersion, artifacts),
  });
}
