/** A node-to-be on a machine that SSH reaches, whatever the machine is: what is needed to join it, and to tell of it. */
import * as pulumi from "@pulumi/pulumi";
import type { ClusterNode } from "../components/k3s/k3s-cluster.ts";
import type { MachineBoot } from "../components/machine/machine-boot.ts";
import type { Role } from "../components/render/names.ts";
import type { Host } from "../components/shared/host.ts";
import type { NodeFields } from "./machine-nodes.ts";

export interface MadeNode {
  readonly node: NodeFields & { readonly name: string; readonly role: Role };
  readonly host: Host & { readonly machine: MachineBoot };
  /** Where SSH answers, known before anybody has been there. */
  readonly place: SshPlace;
  /** The machine on the way to it; undefined where it is reached from here. */
  readonly via?: pulumi.Output<SshHopOutput>;
}

interface SshPlace {
  readonly address: pulumi.Input<string>;
  readonly port: number;
  readonly user: string;
  /** Directory of its boot files, where that is not the usual one. */
  readonly library?: string;
}

/** A machine as outputs tell of it: without the private key, which is an output of its own. */
export interface SshHopOutput {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** `ssh-ed25519 AAAA...`, as the machine showed it at the first contact. */
  readonly hostKey: string;
}

export interface MachineNodeOutput {
  readonly name: string;
  readonly role: Role;
  readonly site: string;
  readonly hostName: string;
  readonly transport: SshHopOutput & {
    readonly kind: "ssh";
    /** Directory of its boot files, where that is not the usual one. */
    readonly library?: string;
    /** The machine on the way to it. */
    readonly via?: SshHopOutput;
  };
}

/** What the outputs tell of a node. */
export function nodeOutput({ node, host, place, via }: MadeNode): pulumi.Output<MachineNodeOutput> {
  const { port, user, library } = place;
  return pulumi.all([place.address, host.machine.hostKey, via]).apply(([address, hostKey, hop]) => ({
    name: host.nodeName,
    role: node.role,
    site: host.site,
    hostName: host.hostName,
    transport: {
      ...{ kind: "ssh" as const, address, port, user, hostKey },
      ...(library === undefined ? {} : { library }),
      ...(hop === undefined ? {} : { via: hop }),
    },
  }));
}

/** What the configuration says about a node beside what it stands on. */
export function joined(
  { node, host }: MadeNode,
  extraConfig: Readonly<Record<Role, NonNullable<ClusterNode["extraConfig"]>>>,
): ClusterNode {
  const { labels, taints, kubeletArgs, role } = node;
  return { host, labels, taints, kubeletArgs, extraConfig: extraConfig[role] };
}
