/** What every stack of machines does with its hosts: one cluster of them, over a tailnet that outlives the stack. */
import * as pulumi from "@pulumi/pulumi";
import { ClusterIdentity } from "../components/k3s/cluster-identity.ts";
import { K3sCluster, type ClusterNode } from "../components/k3s/k3s-cluster.ts";
import type { SnapshotStore } from "../components/lightsail/snapshot-bucket.ts";
import type { SshKey } from "../components/machine/ssh-key.ts";
import { TailnetOperator } from "../components/machine/tailnet-operator.ts";
import type { AuditLog, PodSecurity } from "../components/render/hardening.ts";
import { operatorHostName } from "../components/render/names.ts";
import type { PodNetwork } from "../components/render/pod-network.ts";
import type { RegistryMirrors } from "../components/render/registry.ts";
import type { LastingTailnet } from "../components/shared/tailnet.ts";
import { endOfLife } from "./duration.ts";
import { firstObjects } from "./first-objects.ts";
import { hardeningOf } from "./hardening.ts";
import { joinVersion, type JoinOffer, type JoinTailnet } from "./join-schema.ts";
import { joined, nodeOutput, type MachineNodeOutput, type MadeNode } from "./made-node.ts";
import type { TailnetConfig } from "./machine-tailnet-config.ts";
import { snapshotTarget } from "./machine-snapshots.ts";
import { podRoutesOf } from "./pod-network.ts";
import { mirrorsOf } from "./registry-mirrors.ts";

type Options = NonNullable<ClusterNode["extraConfig"]>;

/** The settings that all such stacks have. */
export interface MachineClusterConfig {
  readonly clusterName: string;
  readonly k3sVersion: string;
  readonly tailnet: TailnetConfig;
  readonly snapshots: { readonly schedule: string; readonly keep: number };
  readonly podSecurity: PodSecurity;
  readonly auditLog: AuditLog;
  readonly disable: readonly string[];
  readonly timeToLive?: string | undefined;
  readonly podNetwork: PodNetwork;
  readonly registryMirrors: RegistryMirrors;
  readonly extraConfig: { readonly server: Options; readonly agent: Options };
}

export interface MachineClusterParts {
  readonly sshKey: SshKey;
  readonly tailnet: LastingTailnet;
  /** Servers in their order, the first of which starts the cluster; all agents, wherever they stand. */
  readonly nodes: readonly MadeNode[];
  /** Where snapshots are copied to; undefined where they stay on the servers. */
  readonly snapshots: (identity: ClusterIdentity) => SnapshotStore | undefined;
  /** Labels that the stack gives its servers. */
  readonly serverLabels?: Readonly<Record<string, string>>;
}

export interface MachineOutputs {
  readonly clusterName: string;
  readonly nodes: pulumi.Output<MachineNodeOutput[]>;
  readonly kubeconfig: pulumi.Output<string>;
  readonly apiUrl: pulumi.Output<string>;
  /** ISO 8601; null for a cluster without end. */
  readonly expiresAt: pulumi.Output<string | null>;
  /** Opens every node by SSH. PEM. */
  readonly sshPrivateKey: pulumi.Output<string>;
  /** What the cluster needs of the tailnet's policy, HuJSON; a preview with `policy: elsewhere` prints it. */
  readonly tailnetPolicy: string;
  /** What a list of the snapshots needs, its key a secret; null where they stay on the servers. */
  readonly snapshotBucket: SnapshotStore | null;
  /** For agents of other stacks: its token and its kubeconfig are secrets. */
  readonly join: JoinOffer;
}

export function machineCluster(config: MachineClusterConfig, parts: MachineClusterParts): MachineOutputs {
  const { clusterName } = config;
  const { sshKey, tailnet, nodes } = parts;
  const servers = nodes.filter(({ node }) => node.role === "server");
  const agents = nodes.filter(({ node }) => node.role === "agent");
  const identity = new ClusterIdentity(
    "identity",
    { clusterName, serverTransports: serverTransports(servers, sshKey) },
    {},
  );
  const operator = new TailnetOperator(
    "operator",
    {
      clusterName,
      loginServer: tailnet.loginServer,
      caCertificate: tailnet.caCertificate,
      hostName: operatorHostName(clusterName),
      domain: tailnet.domain,
      authKey: pulumi.secret(tailnet.operatorKey("operator-key").key),
      tailnet: tailnet.control,
    },
    {},
  );

  const store = parts.snapshots(identity);
  const node = (made: MadeNode): ClusterNode => joined(made, config.extraConfig);
  const cluster = new K3sCluster("cluster", {
    clusterName,
    identity,
    servers: servers.map((made) => withLabels(node(made), parts.serverLabels)),
    agents: agents.map(node),
    datastore: "etcd",
    disable: config.disable,
    snapshots: config.snapshots,
    hardening: hardeningOf(config),
    podRoutes: podRoutesOf(config),
    registryMirrors: mirrorsOf(config),
    snapshotTarget: snapshotTarget(store, config.snapshots.keep),
    proxyUrl: operator.proxyUrl,
  });
  const kubeconfig = firstObjects(clusterName, cluster);

  return {
    clusterName,
    nodes: pulumi.all(nodes.map(nodeOutput)),
    kubeconfig,
    apiUrl: cluster.kubeconfig.endpoint,
    expiresAt: identity.createdAt.apply((createdAt) => endOfLife(createdAt, config.timeToLive)),
    sshPrivateKey: pulumi.secret(sshKey.privateKey),
    tailnetPolicy: tailnet.policyText,
    snapshotBucket: store ?? null,
    join: joinOffer(config, { tailnet, servers, nodes, identity, kubeconfig }),
  };
}

/** The topology's win over the user's. */
function withLabels(node: ClusterNode, labels: Readonly<Record<string, string>> = {}): ClusterNode {
  return { ...node, labels: { ...node.labels, ...labels } };
}

/** By address alone: the identity is there before the first contact with any of them. */
function serverTransports(
  servers: readonly MadeNode[],
  sshKey: SshKey,
): ConstructorParameters<typeof ClusterIdentity>[1]["serverTransports"] {
  const transports = servers.map(({ place }) =>
    pulumi.all([place.address, sshKey.privateKey]).apply(([address, privateKey]) => ({
      kind: "ssh" as const,
      ...place,
      ...{ address, privateKey },
    })),
  );
  return pulumi.secret(pulumi.all(transports));
}

interface Offered {
  readonly tailnet: LastingTailnet;
  readonly servers: readonly MadeNode[];
  readonly nodes: readonly MadeNode[];
  readonly identity: ClusterIdentity;
  readonly kubeconfig: pulumi.Output<string>;
}

/** All that an agent of another stack needs, and no server's token. */
function joinOffer(
  config: MachineClusterConfig,
  { tailnet, servers, nodes, identity, kubeconfig }: Offered,
): JoinOffer {
  const { clusterName, k3sVersion } = config;
  return {
    version: joinVersion,
    clusterName,
    site: servers[0]?.host.site ?? "",
    k3sVersion,
    podCidr: podRoutesOf(config)?.podCidr ?? null,
    hardening: hardeningOf(config),
    servers: servers.map(({ host: { nodeName, fullyQualifiedName, publishedApi } }) => ({
      name: nodeName,
      fullyQualifiedName,
      apiUrl: publishedApi?.url ?? "",
    })),
    nodeNames: nodes.map(({ host }) => host.nodeName),
    tailnet: tailnet.caCertificate.apply((caCertificate) => offeredTailnet(config.tailnet, caCertificate)),
    agentToken: pulumi.secret(identity.agentToken),
    kubeconfig,
  };
}

function offeredTailnet(tailnet: TailnetConfig, caCertificate: string): JoinTailnet {
  const { domain } = tailnet;
  if (tailnet.kind === "tailscale") return { kind: "tailscale", domain };
  const { url, user } = tailnet;
  return { kind: "headscale", url, domain, user, caCertificate };
}
