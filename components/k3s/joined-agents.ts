import * as pulumi from "@pulumi/pulumi";
import type { ClusterAccess, JoinArgs } from "./join-args.ts";
import { K3sAgent } from "./k3s-agent.ts";
import type { ClusterNode } from "./k3s-cluster.ts";
import type { Membership } from "./membership.ts";

export interface JoinedAgentsArgs extends Pick<
  JoinArgs,
  "clusterName" | "hardening" | "podRoutes" | "registryMirrors"
> {
  /** The cluster's token for agents. Secret. */
  readonly agentToken: pulumi.Output<string>;
  /** Its servers, none of which is this stack's. */
  readonly servers: readonly { readonly fullyQualifiedName: string; readonly apiUrl: string }[];
  /** Its admin's kubeconfig, by a way that is open from here. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  readonly agents: readonly ClusterNode[];
}

/**
 * Makes agents of a cluster whose servers belong to another stack. They leave it in the orderly way when their stack goes: the
 * cluster stays.
 */
export class JoinedAgents extends pulumi.ComponentResource {
  readonly memberships: readonly Membership[];

  constructor(name: string, args: JoinedAgentsArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:k3s:JoinedAgents", name, {}, options);
    const { clusterName, hardening, podRoutes, registryMirrors, servers } = args;
    // The cluster is there: what a first server decides by does not arise.
    const identity = { agentToken: args.agentToken, initialised: true };
    const names = servers.map(({ fullyQualifiedName }) => fullyQualifiedName);
    const agents = args.agents.map(
      (node) =>
        new K3sAgent(
          node.host.nodeName,
          { ...node, clusterName, identity, hardening, podRoutes, registryMirrors, servers: names },
          { parent: this },
        ),
    );
    const access: ClusterAccess = {
      kubeconfig: { kubeconfig: pulumi.secret(args.kubeconfig) },
      endpoints: servers.map(({ apiUrl }) => apiUrl),
    };
    this.memberships = agents.map((agent) => agent.admit(access));
    this.registerOutputs({ clusterName });
  }
}
