/** The firewall of a Lightsail instance: what is not named here does not answer on its public address. */
import type { OpenPorts } from "../render/machine-firewall.ts";
import type { Role } from "../render/names.ts";
import { tailscalePort } from "../upstream/tailscale.ts";

export interface OpenToTheWorld {
  /** IPv4 networks that may connect by SSH; Pulumi reaches the machine from one of them. */
  readonly sshCidrs: readonly string[];
  /** Servers answer on 80 and 443. */
  readonly ingress: boolean;
  readonly extraPorts: readonly OpenPorts[];
}

/** One entry of `InstancePublicPorts`. */
export interface PublicPort {
  readonly protocol: "tcp" | "udp";
  readonly fromPort: number;
  readonly toPort: number;
  readonly cidrs: string[];
}

export const sshPort = 22;
const everyone = "0.0.0.0/0";

/** In a fixed order, none of them twice. */
export function publicPorts(role: Role, { sshCidrs, ingress, extraPorts }: OpenToTheWorld): PublicPort[] {
  const one = (protocol: "tcp" | "udp", port: number, cidrs: readonly string[]): PublicPort => ({
    protocol,
    fromPort: port,
    toPort: port,
    cidrs: [...cidrs],
  });
  return [
    ...(sshCidrs.length > 0 ? [one("tcp", sshPort, sshCidrs)] : []),
    one("udp", tailscalePort, [everyone]),
    ...(ingress && role === "server" ? [one("tcp", 80, [everyone]), one("tcp", 443, [everyone])] : []),
    ...extraPorts.map(({ protocol, fromPort, toPort, cidrs }) => ({
      protocol,
      fromPort,
      toPort,
      cidrs: [...cidrs],
    })),
  ];
}
