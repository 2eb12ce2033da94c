/** What `tailscale status --json` on a node says of its ways to the others. */
import { z } from "zod";
import type { Captured } from "./cluster.ts";
import { parseJson } from "./json.ts";

/**
 * How packets get from one node to each other: `direct 10.0.0.2:41641`, `relay`, `idle`, by tailnet host name; from what
 * `tailscale status --json` printed there.
 */
export function tailnetPathsIn(answer: Captured): ReadonlyMap<string, string> {
  if (!answer.ok) return new Map();
  const parsed = tailnetStatusSchema.safeParse(parseJson(answer.text));
  if (!parsed.success) return new Map();
  const { Self, Peer } = parsed.data;
  const paths = Object.values(Peer ?? {}).map((peer): [string, string] => [peer.HostName, pathOf(peer)]);
  return new Map([[Self.HostName, "self"], ...paths]);
}

const peerSchema = z.object({
  HostName: z.string(),
  CurAddr: z.string().default(""),
  Relay: z.string().default(""),
  Active: z.boolean().default(false),
  Online: z.boolean().default(true),
});
const tailnetStatusSchema = z.object({
  Self: z.object({ HostName: z.string() }),
  Peer: z.record(z.string(), peerSchema).nullish(),
});

function pathOf(peer: z.infer<typeof peerSchema>): string {
  if (!peer.Online) return "offline";
  if (peer.CurAddr !== "") return `direct ${peer.CurAddr}`;
  return peer.Active && peer.Relay !== "" ? `relay ${peer.Relay}` : "idle";
}
