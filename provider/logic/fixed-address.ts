/**
 * A container with an address of its own keeps its Ethernet address, too, when it is made anew: who has talked to it before, this
 * machine and its other containers, would send to the former one otherwise for as long as ARP remembers that, 38 to 45 s here.
 */

/** The same for the same IPv4 address: locally administered, and as different in a network as addresses are there. */
export function ethernetAddress(address: string): string {
  const octets = address.split(".").map((octet) => Number(octet).toString(16).padStart(2, "0"));
  return ["02", "00", ...octets].join(":");
}

/** Argument of Podman's `--network`. */
export function fixedAddress(networkName: string, address: string): string {
  return `${networkName}:ip=${address},mac=${ethernetAddress(address)}`;
}
