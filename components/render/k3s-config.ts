import { hardenedKubeletArguments } from "../upstream/hardening.ts";
import { k3sPaths } from "../upstream/k3s.ts";
import { tailscaleInterface } from "../upstream/tailscale.ts";
import { type Hardening, hardenedArguments } from "./hardening.ts";
import type { HostPaths } from "./host-paths.ts";
import type { PodRoutes } from "./pod-network.ts";
import { type Restrictions, restrictedKubeletArguments } from "./restrictions.ts";
import { renderYaml, type ConfigValue } from "./yaml.ts";

interface K3sCommon {
  readonly nodeName: string;
  readonly paths: HostPaths;
  readonly restrictions: Restrictions;
  /** `name=value`, without leading dashes. */
  readonly kubeletArgs: readonly string[];
  /** Further k3s options, already checked not to name one of the owned ones. */
  readonly extraConfig: Readonly<Record<string, ConfigValue>>;
  /** The same for all nodes of a cluster. Absent: k3s's own defaults. */
  readonly hardening?: Hardening | undefined;
  /** Pods without VXLAN; the same for all nodes of a cluster. Absent: VXLAN. */
  readonly podRoutes?: PodRoutes | undefined;
}

/** A server: its certificate names and what it does not deploy. */
export interface K3sServerConfig extends K3sCommon {
  readonly role: "server";
  readonly disable: readonly string[];
  /** Host names and addresses in the API certificate, beside those the boot sequence learns. */
  readonly tlsSans: readonly string[];
  /** When etcd is snapshotted to the server's own disk. Absent: k3s's own schedule. */
  readonly snapshots?: Snapshots | undefined;
}

export interface Snapshots {
  /** Five fields of cron, in the machine's time: UTC. */
  readonly schedule: string;
  /** How many each server keeps. */
  readonly keep: number;
}

export interface K3sAgentConfig extends K3sCommon {
  readonly role: "agent";
}

export type K3sConfig = K3sServerConfig | K3sAgentConfig;

const header = [
  "Written by Homespan's join layer; a change here restarts k3s on this node.",
  "Addresses and the server to join come from config.yaml.d/10-address.yaml, written by the boot sequence.",
].join("\n");

/**
 * `/etc/rancher/k3s/config.yaml`.
 *
 * Tokens are named by file, so the text is never secret. `cluster-init` and `server` are absent: only the boot sequence
 * knows, at the time it starts k3s, which servers answer. Embedded etcd needs no option here either: it listens on
 * loopback and on node-ip, which is the tailnet address.
 */
export function renderK3sConfig(config: K3sConfig): string {
  return renderYaml({ ...extraOptions(config), ...commonOptions(config), ...roleOptions(config) }, header);
}

/**
 * The user's options. Where they add to a list that the hardening has begun, be it as `name` or as k3s's `name+`, both are one:
 * k3s takes the last list of a name alone, and of two scalar arguments of a name the last.
 */
function extraOptions({ role, hardening, extraConfig }: K3sConfig): Readonly<Record<string, ConfigValue>> {
  if (hardening === undefined || role !== "server") return extraConfig;
  const lists = hardenedArguments(hardening);
  const others = Object.entries(extraConfig).filter(([name]) => !(name.replace(/\+$/, "") in lists));
  const merged = Object.entries(lists).map(([name, own]) => [
    name,
    [...own, ...[extraConfig[name] ?? [], extraConfig[`${name}+`] ?? []].flat()],
  ]);
  return Object.fromEntries([...others, ...merged]) as Record<string, ConfigValue>;
}

function commonOptions(config: K3sConfig): Record<string, ConfigValue> {
  const kubeletArgs = kubeletArguments(config);
  return {
    "node-name": config.nodeName,
    "flannel-iface": tailscaleInterface,
    ...(config.podRoutes === undefined ? {} : { "flannel-conf": k3sPaths.flannel }),
    "resolv-conf": config.paths.resolvConfSeen,
    ...(kubeletArgs.length > 0 ? { "kubelet-arg": kubeletArgs } : {}),
    ...(config.hardening === undefined ? {} : { "protect-kernel-defaults": true }),
  };
}

function roleOptions(config: K3sConfig): Record<string, ConfigValue> {
  switch (config.role) {
    case "server":
      return {
        "token-file": `${config.paths.secretsSeen}/server-token`,
        "agent-token-file": `${config.paths.secretsSeen}/agent-token`,
        "tls-san": [...new Set(config.tlsSans)],
        "write-kubeconfig-mode": "600",
        "secrets-encryption": true,
        ...(config.snapshots === undefined
          ? {}
          : {
              "etcd-snapshot-schedule-cron": config.snapshots.schedule,
              "etcd-snapshot-retention": config.snapshots.keep,
            }),
        ...(config.disable.length > 0 ? { disable: [...new Set(config.disable)].sort() } : {}),
      };
    case "agent":
      return { "token-file": `${config.paths.secretsSeen}/agent-token` };
    default:
      return unknownRole(config);
  }
}

/** What the machine needs comes first: a later argument of the same name wins, so the user's does. */
function kubeletArguments(config: K3sConfig): string[] {
  return [
    ...restrictedKubeletArguments(config.restrictions),
    ...(config.hardening === undefined ? [] : hardenedKubeletArguments),
    ...config.kubeletArgs,
  ];
}

function unknownRole(config: never): never {
  throw new TypeError(`\`role\` must be server or agent, got ${JSON.stringify(config)}`);
}
