/** The ci stack: Headscale and steward nodes on this machine's Podman, on two sites that share no network. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { HeadscaleTailnet } from "../components/headscale/headscale-tailnet.ts";
import { ClusterIdentity } from "../components/k3s/cluster-identity.ts";
import { K3sCluster, type ClusterNode } from "../components/k3s/k3s-cluster.ts";
import { ClusterRegistry } from "../components/registry/cluster-registry.ts";
import { k3sImageFor } from "../components/render/k3s-image.ts";
import { nodeNames, stewardContainer, type Role } from "../components/render/names.ts";
import type { Restrictions } from "../components/render/restrictions.ts";
import { PodmanService } from "../components/steward/podman-service.ts";
import { SiteNetwork } from "../components/steward/site-network.ts";
import { StewardNode } from "../components/steward/steward-node.ts";
import { images, optionalImages } from "../components/upstream/images.ts";
import type { CiConfig } from "./ci-config.ts";
import { endOfLife } from "./duration.ts";
import { firstObjects } from "./first-objects.ts";
import { podRoutesOf } from "./pod-network.ts";
import { mirrorsOf } from "./registry-mirrors.ts";

/** What the machine that runs the stack is like; not configuration, because it differs from machine to machine. */
export interface CiMachine {
  readonly restrictions: Restrictions;
  /** Where the directory of each cluster's Podman service is: `/run/homespan`. */
  readonly socketsDirectory: string;
  /** Directory of image archives for nodes that reach no registry. */
  readonly imagesDirectory: string | undefined;
  /** Which build of the steward image is in Podman's store; undefined where nobody recorded it. */
  readonly stewardRevision: string | undefined;
}

export interface CiOutputs {
  readonly clusterName: string;
  readonly nodes: pulumi.Output<NodeOutput[]>;
  readonly kubeconfig: pulumi.Output<string>;
  readonly apiUrl: pulumi.Output<string>;
  /** ISO 8601; null for a cluster without end. */
  readonly expiresAt: pulumi.Output<string | null>;
  /** What stands in front of the name of an image that was pushed for the nodes, `localhost:5001`; absent without a registry. */
  readonly registry?: string;
}

export interface NodeOutput {
  readonly name: string;
  readonly role: Role;
  readonly site: string;
  readonly hostName: string;
  readonly transport: StewardNode["transport"] extends pulumi.Output<infer T> ? T : never;
  readonly pod: string;
}

interface CiNode {
  readonly role: Role;
  readonly host: StewardNode;
}

export function ciStack(config: CiConfig, machine: CiMachine): CiOutputs {
  const { clusterName } = config;
  const identity = new ClusterIdentity(
    "identity",
    {
      clusterName,
      serverTransports: nodeNames("server", config.servers).map((name) => ({
        kind: "podman" as const,
        container: stewardContainer(clusterName, name),
      })),
    },
    {},
  );
  const { nodes, registry } = makeHosts(config, machine);
  const joins = (role: Role): ClusterNode[] =>
    nodes
      .filter((node) => node.role === role)
      .map(({ host }) => ({ host, ...particulars(config, role, host) }));

  const cluster = new K3sCluster("cluster", {
    clusterName,
    identity,
    servers: joins("server"),
    agents: joins("agent"),
    datastore: config.datastore,
    disable: config.disable,
    podRoutes: podRoutesOf(config),
    registryMirrors:
      registry?.mirrors.apply((own) => ({ ...config.registryMirrors, ...own })) ?? mirrorsOf(config),
  });
  const kubeconfig = firstObjects(clusterName, cluster);

  return {
    clusterName,
    nodes: pulumi.all(nodes.map(nodeOutput)),
    kubeconfig,
    apiUrl: cluster.kubeconfig.endpoint,
    expiresAt: identity.createdAt.apply((createdAt) => endOfLife(createdAt, config.timeToLive)),
    ...(registry === undefined ? {} : { registry: registry.imagePrefix }),
  };
}

/** Servers in the cloud, agents at home: home reaches the cloud through NAT, the cloud does not reach home. */
function makeHosts(
  config: CiConfig,
  machine: CiMachine,
): { readonly nodes: readonly CiNode[]; readonly registry: ClusterRegistry | undefined } {
  const { clusterName, registryPort: port } = config;
  const network = (
    site: string,
    denyFromSubnets: pulumi.Input<string>[] = [],
    options: pulumi.CustomResourceOptions = {},
  ): SiteNetwork =>
    new SiteNetwork(site, { clusterName, site, denyFromSubnets: pulumi.all(denyFromSubnets) }, options);
  const wan = network("wan");
  const cloud = network("cloud");

  const podman = new PodmanService(
    "podman",
    { clusterName, socketDirectory: join(machine.socketsDirectory, clusterName) },
    {},
  );
  const tailnet = new HeadscaleTailnet("tailnet", {
    clusterName,
    network: wan,
    image: images.headscale,
    metricsServer: !config.disable.includes("metrics-server"),
    podRoutes: podRoutesOf(config),
  });
  // Without root the rule is in a network namespace that lasts no longer than a container does: this one is there first and goes last.
  const ruleLasts = machine.restrictions.userNamespace ? { dependsOn: tailnet.server } : {};
  const home = network("home", [cloud.subnet, wan.subnet], ruleLasts);

  // Both sites reach the wide area, where the control server is as well.
  const registry =
    port === undefined
      ? undefined
      : new ClusterRegistry("registry", { clusterName, network: wan, port, image: optionalImages.registry });

  const common = {
    clusterName,
    tailnet,
    socketDirectory: podman.socketDirectory,
    images: {
      steward: images.steward,
      tailscale: images.tailscale,
      k3s: k3sImageFor(images.k3s, config.k3sVersion),
    },
    restrictions: machine.restrictions,
    imagesDirectory: machine.imagesDirectory,
    stewardRevision: machine.stewardRevision,
  };
  const servers = nodeNames("server", config.servers).map((nodeName, index): CiNode => {
    const place = { site: "cloud", networkName: cloud.networkName, apiPort: config.apiPort + index };
    return {
      role: "server",
      host: new StewardNode(nodeName, { ...common, ...place, nodeName, role: "server" }),
    };
  });
  const agents = nodeNames("agent", config.agents).map((nodeName): CiNode => {
    const place = { site: "home", networkName: home.networkName };
    return {
      role: "agent",
      host: new StewardNode(nodeName, { ...common, ...place, nodeName, role: "agent" }),
    };
  });
  return { nodes: [...servers, ...agents], registry };
}

/** What the configuration says about one node. */
function particulars(config: CiConfig, role: Role, host: StewardNode): Omit<ClusterNode, "host"> {
  return { ...config.nodes[host.nodeName], extraConfig: config.extraConfig[role] };
}

function nodeOutput({ role, host }: CiNode): pulumi.Output<NodeOutput> {
  return pulumi.all([host.transport, host.podName]).apply(([transport, pod]) => ({
    name: host.nodeName,
    role,
    site: host.site,
    hostName: host.hostName,
    transport,
    pod,
  }));
}
