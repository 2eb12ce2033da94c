import { k3sPorts } from "../upstream/k3s.ts";
import { tailscaleInterface } from "../upstream/tailscale.ts";
import type { PodRoutes } from "./pod-network.ts";

/** What a machine lets in beside the tailnet. */
export interface Firewall {
  /**
   * `closed`: from outside nothing but what is named here. `cluster`: everything but the cluster's own ports, for a
   * machine that does other work too.
   */
  readonly outside: "closed" | "cluster";
  /** Ports sshd listens on. */
  readonly sshPorts: readonly number[];
  /** True when workloads are reached from outside on 80 and 443. */
  readonly ingress: boolean;
  /**
   * Further ports that are reached from outside, with `closed`: of the node itself, or of Services that have them.
   *
   * @default none
   */
  readonly openPorts?: readonly OpenPorts[];
  /**
   * Pods without VXLAN, for `cluster`: from outside nothing is forwarded into their network, on whichever node they are.
   *
   * @default VXLAN, whose device is closed by its name
   */
  readonly podRoutes?: PodRoutes | undefined;
}

/** A range of ports and who may connect. */
export interface OpenPorts {
  readonly protocol: "tcp" | "udp";
  readonly fromPort: number;
  readonly toPort: number;
  /** IPv4 networks. */
  readonly cidrs: readonly string[];
}

/** UDP port `tailscaled` listens on. */
const tailscalePort = 41641;
/** https://kubernetes.io/docs/reference/networking/ports-and-protocols/ */
const nodePorts = "30000-32767";
const ingressPorts = "{ 80, 443 }";
/** The node itself, the tailnet, and the pods: bridge and VXLAN of flannel. */
const inside = `{ "lo", "${tailscaleInterface}", "cni0", "flannel.1" }`;

/**
 * Rules for `nft --file`, replaced as a whole in one transaction.
 *
 * Beside the cloud's firewall, which does not filter what comes from private addresses of the same cloud. A table of its
 * own, before those of kube-proxy and tailscaled: what is dropped here is dropped, what passes is judged by them too.
 */
export function renderFirewall(firewall: Firewall): string {
  const rules = [
    "# Written by Homespan.",
    // Declared first, so that the delete works the first time too.
    "table inet homespan {}",
    "delete table inet homespan",
    "table inet homespan {",
    "  chain input {",
    "    type filter hook input priority filter - 1; policy accept;",
    `    iifname ${inside} accept`,
    "    ct state established,related accept",
    ...(firewall.outside === "closed" ? closedInput(firewall) : clusterInput()),
    "  }",
    "  chain forward {",
    "    type filter hook forward priority filter - 1; policy accept;",
    `    iifname ${inside} accept`,
    "    ct state established,related accept",
    ...(firewall.ingress
      ? [`    ct status dnat meta l4proto { tcp, udp } ct original proto-dst ${ingressPorts} accept`]
      : []),
    ...openRules(firewall).map((rule) => `    ct status dnat ${rule}`),
    "    # A NodePort has its destination rewritten before it comes here: to a pod, or to another node.",
    '    oifname { "cni0", "flannel.1" } drop',
    `    oifname "${tailscaleInterface}" ct status dnat drop`,
    ...(firewall.podRoutes === undefined ? [] : [`    ip daddr ${firewall.podRoutes.podCidr} drop`]),
    ...(firewall.outside === "closed" ? ["    drop"] : []),
    "  }",
    "}",
  ];
  return rules.map((rule) => `${rule}\n`).join("");
}

function closedInput(firewall: Firewall): string[] {
  return [
    "    meta l4proto { icmp, ipv6-icmp } accept",
    "    udp sport 67 udp dport 68 accept",
    "    udp sport 547 udp dport 546 accept",
    `    tcp dport { ${ports(firewall.sshPorts)} } accept`,
    `    udp dport ${tailscalePort} accept`,
    ...(firewall.ingress ? [`    tcp dport ${ingressPorts} accept`, "    udp dport 443 accept"] : []),
    ...openRules(firewall).map((rule) => `    ${rule}`),
    "    drop",
  ];
}

/** By the port that was connected to: a Service's has become a pod's by now. */
function openRules({ outside, openPorts = [] }: Firewall): string[] {
  if (outside !== "closed") return [];
  return openPorts.map(({ protocol, fromPort, toPort, cidrs }) => {
    const [first, last] = [port("openPorts", fromPort), port("openPorts", toPort)];
    const range = first === last ? String(first) : `${String(first)}-${String(last)}`;
    return `meta l4proto ${protocol} ct original proto-dst ${range} ip saddr { ${cidrs.join(", ")} } accept`;
  });
}

function clusterInput(): string[] {
  return [
    `    meta l4proto { tcp, udp } th dport { ${ports(Object.values(k3sPorts))} } drop`,
    "    # A NodePort of a pod in the host's network has become that pod's port by now.",
    `    ct status dnat meta l4proto { tcp, udp } ct original proto-dst ${nodePorts} drop`,
  ];
}

function ports(values: readonly number[]): string {
  for (const value of values) port("sshPorts", value);
  return [...new Set(values)].sort((one, other) => one - other).join(", ");
}

function port(field: string, value: number): number {
  if (!Number.isInteger(value) || value < 1 || value > 65535) {
    throw new RangeError(`\`${field}\` must be ports of 1 to 65535, got ${String(value)}`);
  }
  return value;
}
