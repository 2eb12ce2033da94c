/**
 * The cloud's network as nftables rules of this machine: public addresses that are translated one to one, and the cloud's
 * firewall in front of each machine.
 */
import type { PortRule } from "./machines.ts";

/** A machine as its network sees it. */
export interface RuledMachine {
  readonly name: string;
  readonly privateAddress: string;
  readonly publicAddress: string;
  readonly rules: readonly PortRule[];
}

export interface CloudRules {
  readonly table: string;
  /** The private network, in CIDR notation. */
  readonly subnet: string;
  /** This machine's own address in it; Podman gives it to whoever comes from another of its networks. */
  readonly gateway: string;
  /** All public addresses, in CIDR notation: nothing that is sent there leaves this machine. */
  readonly publicRange: string;
  readonly machines: readonly RuledMachine[];
}

/**
 * The table for `nft`, without what removes its predecessor.
 *
 * - Translation comes before Podman's own, which therefore never sees these packets. What goes to the internet is left to
 *   Podman: nothing there could answer to our public addresses.
 * - Filtering comes last of all, after every translation, where packets of this machine itself come by as well as
 *   forwarded ones. So a source is who a packet seems to be from.
 * - What a machine began itself may be answered. Each packet of a connection to it is judged anew, so that closing a port
 *   cuts what is open.
 * - Between private addresses nothing is filtered, as in Lightsail; from elsewhere no private address is reached.
 */
export function renderCloudRules(cloud: CloudRules): string {
  const { table, subnet, gateway, publicRange } = cloud;
  const machines = [...cloud.machines].sort((one, other) => order(one.privateAddress, other.privateAddress));
  const lines = [
    `table inet ${table} {`,
    ...addressMap(
      "private_of",
      machines.map((machine) => [machine.publicAddress, machine.privateAddress]),
    ),
    ...addressMap(
      "public_of",
      machines.map((machine) => [machine.privateAddress, machine.publicAddress]),
    ),
    "  chain to_public_address {",
    "    type nat hook prerouting priority dstnat - 5; policy accept;",
    "    dnat ip to ip daddr map @private_of",
    "  }",
    "  chain to_public_address_from_here {",
    "    type nat hook output priority -105; policy accept;",
    "    dnat ip to ip daddr map @private_of",
    "  }",
    "  chain from_public_address {",
    "    type nat hook postrouting priority srcnat - 5; policy accept;",
    "    # From one machine of the cloud to another's public address.",
    `    ip saddr ${subnet} ip daddr ${subnet} ct status dnat snat ip to ip saddr map @public_of`,
    "    # To what is in another network of Podman.",
    `    ip daddr != ${subnet} oifname "podman*" snat ip to ip saddr map @public_of`,
    "  }",
    "  chain firewall {",
    "    type filter hook postrouting priority srcnat + 50; policy accept;",
    "    ct direction reply accept",
    "    ct state related accept",
    `    ip saddr ${subnet} ip saddr != ${gateway} ip daddr ${subnet} ct status ! dnat accept`,
    ...(machines.length === 0
      ? []
      : [
          `    ip daddr vmap { ${machines.map(({ privateAddress }) => `${privateAddress} : jump ${chainOf(privateAddress)}`).join(", ")} }`,
        ]),
    "    # Nobody has this address.",
    `    ip daddr ${publicRange} drop`,
    "  }",
    ...machines.flatMap(machineChain),
    "}",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function addressMap(name: string, pairs: readonly (readonly [string, string])[]): string[] {
  const elements = pairs.map(([key, value]) => `${key} : ${value}`).join(", ");
  return [
    `  map ${name} {`,
    "    type ipv4_addr : ipv4_addr",
    ...(elements === "" ? [] : [`    elements = { ${elements} }`]),
    "  }",
  ];
}

/** Names of machines may hold what names of chains may not. */
function chainOf(privateAddress: string): string {
  return `to_${privateAddress.replaceAll(".", "_")}`;
}

function machineChain({ name, privateAddress, rules }: RuledMachine): string[] {
  return [
    `  chain ${chainOf(privateAddress)} {`,
    `    # ${name}`,
    // Sent to the private address from outside of the private network.
    "    ct status ! dnat drop",
    ...[...new Set(rules.flatMap(openings))].map((opening) => `    ${opening} accept`),
    "    drop",
    "  }",
  ];
}

/** One rule for each source: a set refuses networks that overlap. */
function openings(rule: PortRule): string[] {
  if (rule.protocol === "icmpv6") return [];
  const what = traffic(rule);
  return rule.cidrs.map((cidr) =>
    cidr.endsWith("/0") ? (what === "" ? "meta nfproto ipv4" : what) : `ip saddr ${cidr} ${what}`.trimEnd(),
  );
}

function traffic({ protocol, fromPort, toPort }: PortRule): string {
  switch (protocol) {
    case "all":
      return "";
    case "tcp":
    case "udp":
      return `${protocol} dport ${fromPort === toPort ? fromPort : `${fromPort}-${toPort}`}`;
    case "icmp":
      if (fromPort === -1) return "meta l4proto icmp";
      return `icmp type ${fromPort}${toPort === -1 ? "" : ` icmp code ${toPort}`}`;
    case "icmpv6":
      return "";
    default:
      return unknownProtocol(protocol);
  }
}

function unknownProtocol(protocol: never): never {
  throw new TypeError(`\`protocol\` must be tcp, udp, icmp, icmpv6 or all, got ${JSON.stringify(protocol)}`);
}

function order(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}
