/** Which of a tailnet's devices is a node's. */
import type { ClusterNode } from "../effects/cluster-nodes.ts";
import type { Device } from "../effects/headscale.ts";

/** How a node logs in. */
export interface Login {
  readonly hostName: string;
  readonly tag: string;
}

export function isOwnDevice({ hostName, tag }: Login, device: Device): boolean {
  return device.hostName === hostName && device.tags.includes(tag);
}

/** Of the devices with its host name and tag the one with an address of the Node, else the first; `undefined` where there is none. */
export function ownDevice(login: Login, node: ClusterNode, devices: readonly Device[]) {
  const own = devices.filter((device) => isOwnDevice(login, device));
  const device = own.find(({ addresses }) => addresses.some((a) => node.addresses.includes(a))) ?? own[0];
  if (device === undefined) return undefined;
  return { id: device.id, address: device.addresses.find((a) => !a.includes(":")) ?? "" };
}
