/** How Podman runs a rehearsed machine. */
import { clusterObjectName } from "../../components/render/names.ts";
import { podmanLimitFlags, type Restrictions } from "../../components/render/restrictions.ts";
import { CLUSTER_LABEL } from "../../provider/effects/podman.ts";
import { ethernetAddress } from "../../provider/logic/fixed-address.ts";
import { rehearsalImages } from "../../toolchain/images-recipes.ts";

/** The image of every machine, made by the toolchain's group `rehearsal`. */
export const machineImage = rehearsalImages.machine;

/** Paths on a machine, as its image has them (images/machine). */
export const machinePaths = {
  seed: "/var/lib/cloud/seed/nocloud",
  user: "/etc/cloud/cloud.cfg.d/95-user.cfg",
  ownDisk: "/var/lib/machine/own",
  disks: "/var/lib/machine/disks",
  certificates: "/usr/local/share/ca-certificates/world.crt",
  images: "/opt/images",
  disksScript: "/usr/lib/machine/disks",
} as const;

export interface MachineContainer {
  readonly world: string;
  readonly machine: string;
  readonly container: string;
  readonly network: string;
  /** @default one of Podman's choice */
  readonly privateAddress?: string;
  readonly hostName: string;
  /** Volume of the machine's own disk. */
  readonly ownDisk: string;
  /** Volume of all disks that can be attached. */
  readonly disks: string;
  /** Folder with the seed. */
  readonly seed: string;
  /** File with the user's name. */
  readonly user: string;
  readonly hosts: Readonly<Record<string, string>>;
  readonly caFile: string | undefined;
  readonly imagesDirectory: string | undefined;
  readonly restrictions: Restrictions;
  /** What else is mounted, as Podman's `--volume` takes it. */
  readonly volumes?: readonly string[];
  /** Whether it comes back by itself, as a cloud's machine does that is shut down from inside. @default true */
  readonly comesBack?: boolean;
}

/** Name -> label of the machine a container or volume belongs to. */
export const machineLabel = "homespan.machine";

/** Of the container that is a machine. */
export function containerName(world: string, machine: string): string {
  return clusterObjectName(world, `machine-${machine}`);
}

/** A machine that starts again, or is made anew under its address, has the network card of before. */
function addressArguments(address: string | undefined): string[] {
  return address === undefined ? [] : [`--ip=${address}`, `--mac-address=${ethernetAddress(address)}`];
}

/** Arguments of `podman`. */
export function machineArguments(machine: MachineContainer): string[] {
  return [
    "run",
    "--detach",
    "--pull=never",
    `--name=${machine.container}`,
    `--label=${CLUSTER_LABEL}=${machine.world}`,
    `--label=${machineLabel}=${machine.machine}`,
    `--hostname=${machine.hostName}`,
    `--network=${machine.network}`,
    ...addressArguments(machine.privateAddress),
    ...Object.entries(machine.hosts).map(([name, address]) => `--add-host=${name}:${address}`),
    "--privileged",
    "--systemd=always",
    // A kubelet takes away what it does not know in the hierarchy it sees: each has its own.
    "--cgroupns=private",
    "--pids-limit=-1",
    // As a machine comes back that is restarted, or whose host is.
    `--restart=${machine.comesBack === false ? "no" : "always"}`,
    ...podmanLimitFlags(machine.restrictions),
    `--volume=${machine.ownDisk}:${machinePaths.ownDisk}`,
    `--volume=${machine.disks}:${machinePaths.disks}`,
    `--volume=${machine.seed}:${machinePaths.seed}:ro`,
    `--volume=${machine.user}:${machinePaths.user}:ro`,
    ...(machine.caFile === undefined ? [] : [`--volume=${machine.caFile}:${machinePaths.certificates}:ro`]),
    ...(machine.imagesDirectory === undefined
      ? []
      : [`--volume=${machine.imagesDirectory}:${machinePaths.images}:ro`]),
    ...(machine.volumes ?? []).map((volume) => `--volume=${volume}`),
    machineImage,
  ];
}
