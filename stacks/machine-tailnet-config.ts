/** The tailnet of a stack of machines, with every default filled in. */
import type { TailnetFields } from "./tailnet-schema.ts";

export type TailnetConfig =
  | Extract<TailnetFields, { kind: "tailscale" }>
  | (Extract<TailnetFields, { kind: "headscale" }> & { readonly user: string });

export function completeTailnet(tailnet: TailnetFields, clusterName: string): TailnetConfig {
  if (tailnet.kind === "tailscale") return tailnet;
  return { ...tailnet, url: tailnet.url.replace(/\/$/, ""), user: tailnet.user ?? clusterName };
}
