import { podmanSocket } from "../upstream/podman.ts";
import { restrictedKubeletArguments } from "./restrictions.ts";

/** Who runs Podman's service that k3d talks to, and what the machine is like. */
export interface K3dPlace {
  /** `/run` for root, else the user's `XDG_RUNTIME_DIR`. */
  readonly runtimeDirectory: string;
  /** True where Podman runs without root: nodes are in a user namespace then. */
  readonly rootless: boolean;
  readonly cgroupV1: boolean;
}

/** Where k3d finds Podman: `DOCKER_HOST` for itself, `DOCKER_SOCK` for the containers it mounts the socket into. */
export function k3dEnvironment({ runtimeDirectory }: Pick<K3dPlace, "runtimeDirectory">): {
  readonly DOCKER_HOST: string;
  readonly DOCKER_SOCK: string;
} {
  const socket = podmanSocket(runtimeDirectory);
  return { DOCKER_HOST: `unix://${socket}`, DOCKER_SOCK: socket };
}

/** What `k3d cluster create` has to tell kubelet of such a machine. */
export function k3dMachineArguments({ rootless, cgroupV1 }: Omit<K3dPlace, "runtimeDirectory">): string[] {
  return restrictedKubeletArguments({ cgroupV1, userNamespace: rootless }).flatMap((argument) => [
    "--k3s-arg",
    `--kubelet-arg=${argument}@all:*`,
  ]);
}
