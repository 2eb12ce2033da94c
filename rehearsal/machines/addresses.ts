/** IPv4 addresses of rehearsed clouds. A cloud has a private /24 and a public one with the same third number. */
import type { NetworkFound } from "../../provider/effects/podman.ts";

/** Label of a cloud's network: the public addresses that lead into it, so that no two worlds have the same. */
export const publicLabel = "homespan.public-range";

export interface CloudRange {
  /** As Lightsail's: https://docs.aws.amazon.com/lightsail/latest/userguide/understanding-public-ip-and-private-ip-addresses-in-amazon-lightsail.html */
  readonly subnet: string;
  readonly gateway: string;
  /** Where Podman takes addresses from for what is not a machine. */
  readonly servicesRange: string;
  /** Out of the block for tests of networks, which nobody has: https://www.rfc-editor.org/rfc/rfc2544 */
  readonly publicRange: string;
}

/** Host numbers of the private network that machines get; those below are for services. */
export const machineHosts = { first: 16, last: 250 } as const;
/** Host numbers of public addresses that a machine has until it gets a static one. */
export const passingHosts = { first: 1, last: 127 } as const;

/** Ranges that no network of Podman and no route of this machine overlaps. */
export function freeRanges(networks: readonly NetworkFound[], routes: string): CloudRange[] {
  const used = [...networks.map(({ subnet }) => subnet), ...destinations(routes)].flatMap(
    (subnet) => parseNetwork(subnet) ?? [],
  );
  const publicRanges = new Set(networks.map(({ labels }) => labels[publicLabel]));
  return Array.from({ length: 254 }, (_, index) => cloudRange(index + 1)).filter(
    ({ subnet, publicRange }) =>
      !publicRanges.has(publicRange) && !used.some((other) => overlap(other, parseNetwork(subnet))),
  );
}

/** The next free address of `network` after the one handed out last: an address that is given back rests first. */
export function nextAddress(
  network: string,
  hosts: { readonly first: number; readonly last: number },
  last: number,
  taken: ReadonlySet<string>,
): { readonly address: string; readonly host: number } {
  const prefix = network.replace(/\.\d+\/24$/, "");
  const count = hosts.last - hosts.first + 1;
  for (let step = 1; step <= count; step++) {
    const host = hosts.first + ((Math.max(last, hosts.first - 1) - hosts.first + step) % count);
    const address = `${prefix}.${host}`;
    if (!taken.has(address)) return { address, host };
  }
  throw new Error(`${network} must have a free address, and all of ${count} are taken`);
}

/** True when the address is one of the network's. */
export function isInside(network: string, address: string): boolean {
  return overlap(parseNetwork(network), parseNetwork(address));
}

function cloudRange(third: number): CloudRange {
  const prefix = `172.26.${third}`;
  return {
    subnet: `${prefix}.0/24`,
    gateway: `${prefix}.1`,
    servicesRange: `${prefix}.0/28`,
    publicRange: `198.18.${third}.0/24`,
  };
}

/** Of `ip -json route`: `default`, addresses and networks. */
function destinations(routes: string): string[] {
  const parsed = JSON.parse(routes === "" ? "[]" : routes) as readonly { readonly dst?: string }[];
  return parsed.flatMap(({ dst }) => (dst === undefined || dst === "default" ? [] : [dst]));
}

interface Network {
  readonly base: number;
  readonly bits: number;
}

function parseNetwork(text: string): Network | undefined {
  const [address = "", bits = "32"] = text.split("/");
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255))
    return undefined;
  return { base: parts.reduce((sum, part) => sum * 256 + part, 0), bits: Number(bits) };
}

function overlap(one: Network | undefined, other: Network | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  const size = 2 ** (32 - Math.min(one.bits, other.bits));
  return Math.floor(one.base / size) === Math.floor(other.base / size);
}
