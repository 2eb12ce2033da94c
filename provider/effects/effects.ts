/** Everything the resources do to the world, behind interfaces; tests put fakes in their place. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { cacheFolder, stateFolder } from "../../toolchain/folders.ts";
import { detectMachine, withoutRoot } from "../../toolchain/machine.ts";
import { NodeLists } from "./cluster-nodes.ts";
import { type Firewall, nftables } from "./firewall.ts";
import { HeadscaleRest } from "./headscale-rest.ts";
import { type Headscale, HeadscaleProgram, type HeadscaleUsers } from "./headscale.ts";
import { HttpsKubernetes, type Kubernetes } from "./kubernetes.ts";
import { type Libvirt, VirshLibvirt } from "./libvirt.ts";
import { nodeAccess } from "./node-access.ts";
import type { NodeAccess } from "./node-files.ts";
import { SystemTailnetOperators, type TailnetOperators } from "./operator.ts";
import { type Lima, Limactl } from "./lima/limactl.ts";
import { SystemMacs } from "./macs.ts";
import { patientKubernetes } from "./patient-kubernetes.ts";
import { type PodmanServices, SystemPodmanServices } from "./podman-service.ts";
import { type Podman, PodmanProgram } from "./podman.ts";
import { runProcess } from "./process.ts";
import { LoopbackRegistries, type Registries } from "./registries.ts";
import { type Ssh, SshConnections } from "./ssh.ts";
import { type Tailnets, tailnetsOf } from "./tailnets.ts";
import { TailscaleHttpApi } from "./tailscale-api.ts";
import { type RestoreOrder, readRestoreOrder, restoreVariable } from "../logic/restore-order.ts";
import { type UserLogins, userLogins } from "./user-keys.ts";
import { CachedVmImages, type VmImages } from "./vm-images.ts";
import { type Clock, systemClock } from "./wait.ts";

export interface Effects {
  readonly podman: Podman;
  readonly services: PodmanServices;
  readonly registries: Registries;
  readonly firewall: Firewall;
  readonly nodes: NodeAccess;
  readonly ssh: Ssh;
  readonly userLogins: UserLogins;
  readonly libvirt: Libvirt;
  readonly lima: Lima;
  readonly images: VmImages;
  readonly headscale: Headscale & HeadscaleUsers;
  readonly tailnets: Tailnets;
  readonly operators: TailnetOperators;
  readonly kubernetes: Kubernetes;
  readonly nodeLists: NodeLists;
  readonly clock: Clock;
  /** Hexadecimal text of that many random bytes. */
  readonly random: (bytes: number) => string;
  /** What this run restores the cluster from; `undefined` for any other run. */
  readonly restoring: () => RestoreOrder | undefined;
}

/** The real ones. */
export function systemEffects(): Effects {
  const podman = new PodmanProgram(runProcess);
  const order = readRestoreOrder(process.env[restoreVariable]);
  const ssh = new SshConnections();
  const rootless = withoutRoot(detectMachine());
  const headscale = new HeadscaleRest(podman, new HeadscaleProgram(podman), { routed: !rootless });
  const kubernetes = new HttpsKubernetes();
  return {
    podman,
    services: new SystemPodmanServices(systemClock),
    registries: new LoopbackRegistries(),
    firewall: nftables(runProcess, rootless ? "users" : "machine"),
    nodes: nodeAccess(podman, ssh),
    ssh,
    userLogins: userLogins(),
    libvirt: new VirshLibvirt(runProcess),
    lima: new Limactl(new SystemMacs(runProcess, ssh)),
    images: new CachedVmImages(runProcess, join(cacheFolder(), "vm-images")),
    headscale,
    tailnets: tailnetsOf(headscale, new TailscaleHttpApi(systemClock)),
    operators: new SystemTailnetOperators(runProcess, systemClock, { stateFolder }),
    kubernetes,
    nodeLists: new NodeLists(patientKubernetes(kubernetes, systemClock)),
    clock: systemClock,
    random: (bytes) => randomBytes(bytes).toString("hex"),
    restoring: () => order,
  };
}
