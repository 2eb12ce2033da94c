/** Everything the resources do to the world, behind interfaces; tests put fakes in their place. */
import { randomBytes } from "node:crypto";
import { NodeLists } from "./cluster-nodes.ts";
import { type Firewall, nftables } from "./firewall.ts";
import { type Headscale, HeadscaleProgram } from "./headscale.ts";
import { HttpsKubernetes, type Kubernetes } from "./kubernetes.ts";
import { type NodeAccess, PodmanNodeAccess } from "./node-files.ts";
import { patientKubernetes } from "./patient-kubernetes.ts";
import { type PodmanServices, SystemPodmanServices } from "./podman-service.ts";
import { type Podman, PodmanProgram } from "./podman.ts";
import { runProcess } from "./process.ts";
import { type Clock, systemClock } from "./wait.ts";

export interface Effects {
  readonly podman: Podman;
  readonly services: PodmanServices;
  readonly firewall: Firewall;
  readonly nodes: NodeAccess;
  readonly headscale: Headscale;
  readonly kubernetes: Kubernetes;
  readonly nodeLists: NodeLists;
  readonly clock: Clock;
  /** Hexadecimal text of that many random bytes. */
  readonly random: (bytes: number) => string;
}

/** The real ones. */
export function systemEffects(): Effects {
  const podman = new PodmanProgram(runProcess);
  const kubernetes = new HttpsKubernetes();
  return {
    podman,
    services: new SystemPodmanServices(systemClock),
    firewall: nftables(runProcess),
    nodes: new PodmanNodeAccess(podman),
    headscale: new HeadscaleProgram(podman),
    kubernetes,
    nodeLists: new NodeLists(patientKubernetes(kubernetes, systemClock)),
    clock: systemClock,
    random: (bytes) => randomBytes(bytes).toString("hex"),
  };
}
