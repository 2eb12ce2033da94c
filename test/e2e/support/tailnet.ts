/** The tailnet's devices, as Headscale lists them, and one node's own view. */
import type { Cluster } from "./cluster.ts";
import { exec } from "./podman.ts";

export interface Device {
  readonly id: string | number;
  /** The name in MagicDNS: with a suffix when the wanted one was taken. */
  readonly given_name: string;
  readonly online?: boolean;
}

export async function devicesOf(cluster: Pick<Cluster, "name">): Promise<readonly Device[]> {
  const text = await exec(`homespan-${cluster.name}-headscale`, [
    "headscale",
    "nodes",
    "list",
    "--output",
    "json",
  ]);
  return (JSON.parse(text) as readonly Device[] | null) ?? [];
}

/** MagicDNS names of the cluster's devices, sorted. */
export async function deviceNames(cluster: Pick<Cluster, "name">): Promise<string[]> {
  return (await devicesOf(cluster)).map(({ given_name }) => given_name).sort();
}

interface Status {
  readonly Self: { readonly HostName: string; readonly TailscaleIPs?: readonly string[] };
  readonly Peer?: Readonly<
    Record<string, { readonly HostName: string; readonly CurAddr: string; readonly Relay: string }>
  >;
}

/** `tailscale status` of one node. */
export async function statusOf(cluster: Cluster, node: string): Promise<Status> {
  return JSON.parse(
    await exec(cluster.container(node, "tailscale"), ["tailscale", "status", "--json"]),
  ) as Status;
}
