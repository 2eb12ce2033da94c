/** Rules of the lightsail stack about who reaches which port on the public addresses. */
import { k3sPorts } from "../components/upstream/k3s.ts";
import { tailscalePort } from "../components/upstream/tailscale.ts";
import { contains, formatNetwork, parseNetwork, type Network } from "./cidr.ts";
import { fieldPath, type Problem } from "./grammar.ts";
import type { LightsailFields } from "./lightsail-schema.ts";
import type { Rule } from "./schema-check.ts";

export const networkRules: readonly Rule<LightsailFields>[] = [
  { needs: ["sshAllowedCidrs"], check: sshNetworks },
  { needs: ["sshAllowedCidrs", "sshOpenReason"], check: sshOpenNeedsReason },
  { needs: ["extraPorts"], check: portNetworks },
  { needs: ["extraPorts"], check: portRanges },
  { needs: ["extraPorts"], check: privatePorts },
  { needs: ["extraPorts"], check: portsWithKeys },
  { needs: ["extraPorts"], check: distinctPorts },
];

function sshNetworks({ sshAllowedCidrs }: LightsailFields): Problem[] {
  return networkProblems(["sshAllowedCidrs"], sshAllowedCidrs);
}

function portNetworks({ extraPorts }: LightsailFields): Problem[] {
  return extraPorts.flatMap(({ cidrs }, index) => networkProblems(["extraPorts", index, "cidrs"], cidrs));
}

/** Each an IPv4 network by its own address, and none inside another. */
function networkProblems(path: readonly PropertyKey[], cidrs: readonly string[]): Problem[] {
  const networks = cidrs.map(parseNetwork);
  return cidrs.flatMap((got, index): Problem[] => {
    const field = fieldPath([...path, index]);
    const network = networks[index];
    if (network === undefined) {
      const why = got.includes(":") ? ", because instances have no public IPv6 address" : "";
      return [{ field, rule: `be an IPv4 network such as 203.0.113.7/32${why}`, got }];
    }
    if (!network.exact) {
      const rule = `be a network's own address: ${formatNetwork(network)}, or ${got.replace(/\/.*/, "/32")} for one machine`;
      return [{ field, rule, got }];
    }
    const other = networks.findIndex((it, at) => at !== index && covers(it, network, at < index));
    return other === -1
      ? []
      : [{ field, rule: `not lie in \`${fieldPath([...path, other])}\` (${cidrs[other] ?? ""})`, got }];
  });
}

/** Of two equal networks the later one is the superfluous one. */
function covers(outer: Network | undefined, inner: Network, earlier: boolean): boolean {
  if (outer?.exact !== true || !contains(outer, inner)) return false;
  return outer.prefix < inner.prefix || earlier;
}

/** Networks of more than 2^24 addresses count as everyone: two halves of the world are the world. */
const widestPrefix = 8;

function sshOpenNeedsReason({ sshAllowedCidrs, sshOpenReason }: LightsailFields): Problem[] {
  const open = sshAllowedCidrs
    .map((got, index) => ({ got, field: fieldPath(["sshAllowedCidrs", index]) }))
    .filter(({ got }) => (parseNetwork(got)?.prefix ?? 32) < widestPrefix);
  if (sshOpenReason === undefined) {
    const rule = `be /${widestPrefix} or narrower, unless \`sshOpenReason\` says why everyone may try`;
    return open.map(({ got, field }) => ({ field, rule, got }));
  }
  const rule = "be left out where `sshAllowedCidrs` does not open SSH to everyone";
  return open.length > 0 ? [] : [{ field: "sshOpenReason", rule, got: sshOpenReason }];
}

type ExtraPort = LightsailFields["extraPorts"][number];

const opens = ({ fromPort, toPort }: ExtraPort, port: number): boolean =>
  fromPort <= port && port <= (toPort ?? fromPort);

function portRanges({ extraPorts }: LightsailFields): Problem[] {
  return extraPorts.flatMap(({ fromPort, toPort }, index) =>
    toPort !== undefined && toPort < fromPort
      ? [
          {
            field: fieldPath(["extraPorts", index, "toPort"]),
            rule: `be at least fromPort, ${fromPort}`,
            got: toPort,
          },
        ]
      : [],
  );
}

/** What only the tailnet may reach. */
const onTailnetOnly: readonly (readonly [port: number, what: string])[] = [
  [k3sPorts.apiServer, "the API server"],
  [k3sPorts.etcdClient, "etcd"],
  [k3sPorts.etcdPeer, "etcd"],
  [k3sPorts.flannelVxlan, "the pods' network"],
  [k3sPorts.kubelet, "the kubelet"],
];

function privatePorts({ extraPorts }: LightsailFields): Problem[] {
  return extraPorts.flatMap((range, index) => {
    const reached = onTailnetOnly.filter(([port]) => opens(range, port));
    return reached.length === 0
      ? []
      : [
          {
            field: fieldPath(["extraPorts", index]),
            rule: `not open ${reached.map(([port, what]) => `${port} (${what})`).join(", ")}: only the tailnet reaches it`,
            got: rangeText(range),
          },
        ];
  });
}

/** Ports that have a key of their own, or are open anyway. */
const withKeys: readonly (readonly [port: number, protocol: string, instead: string])[] = [
  [22, "tcp", "use `sshAllowedCidrs`"],
  [80, "tcp", "use `ingress: true`"],
  [443, "tcp", "use `ingress: true`"],
  [tailscalePort, "udp", "Tailscale's port is open anyway"],
];

function portsWithKeys({ extraPorts }: LightsailFields): Problem[] {
  return extraPorts.flatMap((range, index) =>
    withKeys
      .filter(([port, protocol]) => range.protocol === protocol && opens(range, port))
      .map(([port, protocol, instead]) => ({
        field: fieldPath(["extraPorts", index]),
        rule: `not open ${port}/${protocol}: ${instead}`,
        got: rangeText(range),
      })),
  );
}

function distinctPorts({ extraPorts }: LightsailFields): Problem[] {
  return extraPorts.flatMap((range, index) => {
    const last = range.toPort ?? range.fromPort;
    const other = extraPorts.findIndex(
      (it, at) =>
        at < index &&
        it.protocol === range.protocol &&
        it.fromPort <= last &&
        range.fromPort <= (it.toPort ?? it.fromPort),
    );
    return other === -1
      ? []
      : [
          {
            field: fieldPath(["extraPorts", index]),
            rule: `not share ports with \`${fieldPath(["extraPorts", other])}\``,
            got: rangeText(range),
          },
        ];
  });
}

function rangeText({ fromPort, toPort, protocol }: ExtraPort): string {
  return `${fromPort}${toPort === undefined ? "" : `-${toPort}`}/${protocol}`;
}
