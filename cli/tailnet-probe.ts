/** What one node says of its network: the answers to tailnet-probe.sh, read. Pure. */
import { z } from "zod";
import { parseJson } from "./json.ts";

/** One reply to a ping. */
interface Pong {
  /** As `tailscale ping` names it: `192.0.2.1:41641`, `DERP(fra)`, `peer-relay(192.0.2.1:40000:vni:1)`. */
  readonly via: string;
  /** Whole ones, which is all that `tailscale ping` prints. */
  readonly milliseconds: number;
}

export interface Probe {
  /** The node's own 100.x address. */
  readonly address: string;
  /** The region whose relay it prefers, by tailscale's code. */
  readonly relay: string;
  /** MTU by network device. */
  readonly mtus: ReadonlyMap<string, number>;
  readonly nat: NatReport;
  /** By tailnet host name. */
  readonly peers: ReadonlyMap<string, PeerProbe>;
}

export interface PeerProbe {
  /** The address the node sends to without a relay, if it does. */
  readonly directAddress: string;
  /** The peer that relays, if one does: a node of the tailnet instead of one of Tailscale's relays. */
  readonly peerRelay: string;
  readonly pongs: readonly Pong[];
  /**
   * The best of some pings to the host of `directAddress`, which do not go through the tunnel; absent where none came back, or where
   * that is a public address, which may be a router's.
   */
  readonly lanMilliseconds?: number;
  /** Networks behind the peer that packets are sent to it for: IPv4, as the control server approved them. */
  readonly routes: readonly string[];
  /** The network device on which packets to the peer's 100.x address leave. */
  readonly device: string;
  /** Why nothing came back. */
  readonly problem?: string;
}

export interface NatReport {
  /**
   * `easy`: one public port for all destinations, so that peers find it; `hard`: another one for each; `none`: the public
   * address is the node's own; `no UDP`: no answer to STUN by UDP; `unknown`: fewer than two relays to compare, or no answer.
   */
  readonly mapping: "none" | "easy" | "hard" | "no UDP" | "unknown";
  /** As others on the internet see it. */
  readonly publicEndpoint: string;
}

const peerSchema = z.object({
  HostName: z.string(),
  CurAddr: z.string().default(""),
  PeerRelay: z.string().default(""),
  AllowedIPs: z.array(z.string()).nullish(),
});
const statusSchema = z.object({
  BackendState: z.string().default("Running"),
  Self: z.object({
    HostName: z.string(),
    TailscaleIPs: z.array(z.string()).nullish(),
    Relay: z.string().default(""),
  }),
  Peer: z.record(z.string(), peerSchema).nullish(),
});
type Status = z.infer<typeof statusSchema>;

/** Report in net/netcheck/netcheck.go; opt.Bool is null when it is not known. */
const netcheckSchema = z.object({
  UDP: z.boolean(),
  MappingVariesByDestIP: z.boolean().nullish(),
  GlobalV4: z.string().default(""),
});

/**
 * @param peers tailnet host names of the nodes that were asked for.
 * @throws Error, in one line, when its tailscaled did not answer: nothing else means anything then.
 */
export function readProbe(text: string, peers: readonly string[]): Probe {
  const sections = splitSections(text);
  const status = readStatus(sections.get("status"));
  const known = Object.values(status.Peer ?? {});
  return {
    address: status.Self.TailscaleIPs?.find((address) => address.includes(".")) ?? "",
    relay: status.Self.Relay,
    mtus: readMtus(sections.get("link")?.text ?? ""),
    nat: readNat(sections.get("netcheck")?.text ?? "", readAddresses(sections.get("address")?.text ?? "")),
    peers: new Map(
      peers.map((name) => {
        const found = known.find(({ HostName }) => HostName === name);
        const ping = sections.get(`ping ${name}`);
        const pongs = readPongs(ping?.text ?? "");
        const problem = pongs.length > 0 ? undefined : (ping?.problem ?? "no reply");
        const lan = readPing(sections.get(`lan ${name}`)?.text ?? "", found?.CurAddr ?? "");
        const peer = {
          ...(lan === undefined ? {} : { lanMilliseconds: lan }),
          directAddress: found?.CurAddr ?? "",
          peerRelay: found?.PeerRelay ?? "",
          pongs,
          routes: (found?.AllowedIPs ?? []).filter((it) => !it.includes(":") && !it.endsWith("/32")),
          device: / dev (\S+)/.exec(sections.get(`route ${name}`)?.text ?? "")?.[1] ?? "",
        };
        return [name, problem === undefined ? peer : { ...peer, problem }];
      }),
    ),
  };
}

interface Section {
  readonly text: string;
  readonly problem?: string;
}

function splitSections(text: string): ReadonlyMap<string, Section> {
  const parts = text.split(/^== (.+)$/m).slice(1);
  const sections = new Map<string, Section>();
  for (let index = 0; index + 1 < parts.length; index += 2) {
    const [title = "", body = ""] = parts.slice(index, index + 2);
    const why = /^! (.*)$/m.exec(body);
    const answer = body.replace(/^! .*$/m, "").trim();
    sections.set(title, why === null ? { text: answer } : { text: answer, problem: why[1] || "no reply" });
  }
  return sections;
}

function readStatus(section: Section | undefined): Status {
  const parsed = statusSchema.safeParse(parseJson(section?.text ?? ""));
  if (!parsed.success) {
    throw new Error(`its tailscaled does not answer: ${section?.problem ?? "no readable status"}`);
  }
  const { BackendState } = parsed.data;
  if (BackendState !== "Running") throw new Error(`its tailscaled is not connected: ${BackendState}`);
  return parsed.data;
}

function readMtus(text: string): ReadonlyMap<string, number> {
  // `4: flannel.1: <BROADCAST,...> mtu 1230 ...`; a device that has another end is called `eth0@if7`.
  const lines = [...text.matchAll(/^\d+: ([^:@\s]+)[^:\n]*:.* mtu (\d+)/gm)];
  return new Map(lines.map(([, device = "", mtu]): [string, number] => [device, Number(mtu)]));
}

/** The node's own IPv4 addresses: `2: eth0    inet 192.0.2.1/24 brd ...`. */
function readAddresses(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/ inet ([\d.]+)/g)].map(([, address = ""]) => address));
}

function readNat(text: string, own: ReadonlySet<string>): NatReport {
  const parsed = netcheckSchema.safeParse(parseJson(text));
  if (!parsed.success) return { mapping: "unknown", publicEndpoint: "" };
  const { UDP, MappingVariesByDestIP: varies, GlobalV4: publicEndpoint } = parsed.data;
  if (!UDP) return { mapping: "no UDP", publicEndpoint: "" };
  if (own.has(publicEndpoint.replace(/:\d+$/, ""))) return { mapping: "none", publicEndpoint };
  if (varies === true) return { mapping: "hard", publicEndpoint };
  return { mapping: varies === false ? "easy" : "unknown", publicEndpoint };
}

/** `pong from ci-agent-1 (100.64.0.2) via 192.0.2.1:41641 in 3ms`, or `in 1.002s`. */
function readPongs(text: string): readonly Pong[] {
  const pongs = [...text.matchAll(/^pong from .* via (\S+) in ([\d.]+)(ms|s)$/gm)];
  return pongs.map(([, via = "", number, unit]) => ({
    via,
    milliseconds: Math.round(Number(number) * (unit === "s" ? 1000 : 1)),
  }));
}

/** iputils: `rtt min/avg/max/mdev = 0.031/0.038/...`, BusyBox: `round-trip min/avg/max = 0.056/...`; of the way that is meant alone. */
function readPing(text: string, endpoint: string): number | undefined {
  const [, pinged] = /^PING (\S+)/m.exec(text) ?? [];
  const host = endpoint.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const [, best] = / min\/avg\/max\S* = ([\d.]+)\//.exec(text) ?? [];
  return best === undefined || pinged !== host ? undefined : Number(best);
}
