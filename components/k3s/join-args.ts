import type * as pulumi from "@pulumi/pulumi";
import type { Hardening } from "../render/hardening.ts";
import type { PodRoutes } from "../render/pod-network.ts";
import type { RegistryMirrors } from "../render/registry.ts";
import type { ConfigValue } from "../render/yaml.ts";
import type { Host } from "../shared/host.ts";
import type { ClusterAnchor } from "./cluster-anchor.ts";

/** What an agent needs of a cluster's identity. */
export interface JoinIdentity {
  /** Secret. */
  readonly agentToken: pulumi.Output<string>;
  /** True once any server was seen Ready. */
  readonly initialised: pulumi.Input<boolean>;
}

/** What a join of either role takes. */
export interface JoinArgs {
  readonly clusterName: string;
  readonly identity: JoinIdentity;
  /** The machine to make a node of, whatever it is. */
  readonly host: Host;
  /** Tailnet names of the servers to join, this node excluded. */
  readonly servers: readonly string[];
  /**
   * Labels beside those of the topology. A change reaches the Node without a restart of k3s.
   *
   * @default none
   */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Taints as `key=value:Effect` or `key:Effect`, set when the node registers: a later change shows on a re-created node.
   *
   * @default none
   */
  readonly taints?: readonly string[];
  /**
   * kubelet arguments as `name=value`, without leading dashes. A change restarts k3s on the node.
   *
   * @default none
   */
  readonly kubeletArgs?: readonly string[];
  /**
   * Further k3s options by their long name. A change restarts k3s on the node.
   *
   * @default none
   */
  readonly extraConfig?: Readonly<Record<string, ConfigValue>>;
  /**
   * What the k3s hardening guide asks of a cluster; the same for all its nodes. A change restarts k3s.
   *
   * @default k3s's own defaults
   */
  readonly hardening?: Hardening | undefined;
  /**
   * Pods without VXLAN, each node a route to its own; the same for all nodes of a cluster. A change restarts k3s.
   *
   * @default VXLAN
   */
  readonly podRoutes?: PodRoutes | undefined;
  /**
   * Where the node pulls images from first. A change restarts k3s.
   *
   * @default each image comes from the registry in its name
   */
  readonly registryMirrors?: pulumi.Input<RegistryMirrors> | undefined;
}

/** What a join needs once the cluster answers, to become a member. */
export interface ClusterAccess {
  /** The admin's. Secret. */
  readonly kubeconfig: { readonly kubeconfig: pulumi.Output<string> };
  /** URLs of all servers' APIs. */
  readonly endpoints: readonly string[];
  /**
   * With which the cluster goes as a whole, so that its nodes need not leave it one by one.
   *
   * @default none: the cluster outlives the stack
   */
  readonly anchor?: ClusterAnchor;
}

/** A host that has been told how to join. */
export interface JoinedNode {
  readonly host: Host;
  readonly config: pulumi.Resource;
}
