/** How packets get from a pod to one on another node. */
import { k3sPaths } from "../upstream/k3s.ts";

/**
 * - `vxlan`: flannel wraps each packet and sends it to the other node's tailnet address
 * - `routes`: nothing is wrapped; each node is the tailnet's route to its own pods
 */
export const podNetworks = ["vxlan", "routes"] as const;
export type PodNetwork = (typeof podNetworks)[number];

/** What `routes` needs to know, the same for all nodes of a cluster. */
export interface PodRoutes {
  /** IPv4 network that all pods are in, k3s's `cluster-cidr`. */
  readonly podCidr: string;
}

/** k3s's own `cluster-cidr`. https://docs.k3s.io/cli/server#networking */
export const defaultPodCidr = "10.42.0.0/16";

/**
 * flannel's configuration in place of the one k3s writes: a backend that makes no device and no route, as in k3s's own
 * integration of Tailscale (pkg/agent/flannel/setup.go). It names the network of the node's pods in a file, from which the boot
 * sequence announces it.
 *
 * https://github.com/flannel-io/flannel/blob/master/Documentation/extension.md
 */
export function renderFlannel({ podCidr }: PodRoutes): string {
  const file = k3sPaths.podSubnet;
  const config = {
    Network: podCidr,
    EnableIPv4: true,
    EnableIPv6: false,
    IPv6Network: "::/0",
    Backend: {
      Type: "extension",
      // Left by a cluster whose pods' network was VXLAN: nobody answers there any more.
      PreStartupCommand: "ip link delete flannel.1 >/dev/null 2>&1 || true",
      // Not written when it is the same: a change of the file runs the boot sequence again.
      PostStartupCommand: `[ "$(cat ${file} 2>/dev/null)" = "$SUBNET" ] || { echo "$SUBNET" >${file}.new && mv -f ${file}.new ${file}; }`,
    },
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
