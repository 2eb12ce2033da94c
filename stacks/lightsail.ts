/** The lightsail stack: k3s servers, and agents if wanted, on Amazon Lightsail, on a tailnet at Tailscale or a Headscale server. */
import { KeyPair } from "@pulumi/aws/lightsail/keyPair.js";
import { Provider } from "@pulumi/aws/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { ExistingHost } from "../components/existing/host.ts";
import { ClusterIdentity } from "../components/k3s/cluster-identity.ts";
import { K3sCluster, type ClusterNode } from "../components/k3s/k3s-cluster.ts";
import { LightsailServer, type LightsailServerArgs } from "../components/lightsail/lightsail-server.ts";
import { sshPort } from "../components/lightsail/public-ports.ts";
import type { SnapshotStore } from "../components/lightsail/snapshot-bucket.ts";
import { SshKey } from "../components/machine/ssh-key.ts";
import { TailnetOperator } from "../components/machine/tailnet-operator.ts";
import { cloudKeyName, operatorHostName, type Role } from "../components/render/names.ts";
import type { LastingTailnet } from "../components/shared/tailnet.ts";
import { serviceLbLabel } from "../components/upstream/k3s.ts";
import { machineArtifacts, type Mirror } from "./artifacts.ts";
import { endOfLife } from "./duration.ts";
import { firstObjects } from "./first-objects.ts";
import { hardeningOf } from "./hardening.ts";
import type {
  CheckedLightsailConfig,
  ExistingNode,
  LightsailConfig,
  LightsailNode,
} from "./lightsail-config.ts";
import { snapshotStore, snapshotTarget } from "./lightsail-snapshots.ts";
import { lightsailTailnet } from "./lightsail-tailnet.ts";
import { formatWarning } from "./lightsail-warnings.ts";
import { podRoutesOf } from "./pod-network.ts";

/** What the machine that runs the stack is like; not configuration, because it differs from machine to machine. */
export interface LightsailMachine {
  /** Where machines download their programs; undefined for the official places. */
  readonly mirror: Mirror | undefined;
  /** CA of the tailnet's control server, PEM; "" for a public one. */
  readonly caCertificate: string;
}

export interface LightsailOutputs {
  readonly clusterName: string;
  readonly nodes: pulumi.Output<LightsailNodeOutput[]>;
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
}

export interface LightsailNodeOutput {
  readonly name: string;
  readonly role: Role;
  readonly site: string;
  readonly hostName: string;
  /** Without the private key, which is an output of its own. */
  readonly transport: {
    readonly kind: "ssh";
    readonly address: string;
    readonly port: number;
    readonly user: string;
    /** `ssh-ed25519 AAAA...`, as the machine showed it at the first contact. */
    readonly hostKey: string;
  };
}

interface NodeOfRole {
  readonly node: LightsailNode;
  readonly host: LightsailServer;
}

interface NodeElsewhere {
  readonly node: ExistingNode;
  readonly host: ExistingHost;
}

export function lightsailStack(
  { config, warnings }: CheckedLightsailConfig,
  machine: LightsailMachine,
): LightsailOutputs {
  for (const warning of warnings) void pulumi.log.warn(formatWarning(warning));
  const { clusterName } = config;
  const sshKey = new SshKey("ssh-key", { clusterName }, {});
  const tailnet = lightsailTailnet(config, machine.caCertificate);
  const provider = new Provider("aws", { region: config.region });
  const nodes = makeHosts(config, { machine, tailnet, sshKey, provider });
  const elsewhere = takeHosts(config, machine, tailnet, sshKey);
  const identity = new ClusterIdentity(
    "identity",
    { clusterName, serverTransports: serverTransports(ofRole(nodes, "server"), sshKey) },
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

  const store = snapshotStore(config, identity, provider);
  const cluster = new K3sCluster("cluster", {
    clusterName,
    identity,
    servers: joins(config, ofRole(nodes, "server")),
    agents: [...joins(config, ofRole(nodes, "agent")), ...joins(config, elsewhere)],
    datastore: "etcd",
    disable: config.disable,
    snapshots: config.snapshots,
    hardening: hardeningOf(config),
    podRoutes: podRoutesOf(config),
    snapshotTarget: snapshotTarget(store, config.snapshots.keep),
    proxyUrl: operator.proxyUrl,
  });
  const kubeconfig = firstObjects(clusterName, cluster);

  return {
    clusterName,
    nodes: pulumi.all([...nodes.map(nodeOutput), ...elsewhere.map(elsewhereOutput)]),
    kubeconfig,
    apiUrl: cluster.kubeconfig.endpoint,
    expiresAt: identity.createdAt.apply((createdAt) => endOfLife(createdAt, config.timeToLive)),
    sshPrivateKey: pulumi.secret(sshKey.privateKey),
    tailnetPolicy: tailnet.policyText,
    snapshotBucket: store ?? null,
  };
}

/** All instances start at the same time; servers come first in every list. */
function makeHosts(config: LightsailConfig, { machine, tailnet, sshKey, provider }: HostParts): NodeOfRole[] {
  const { clusterName, region } = config;
  const keyPair = new KeyPair(
    "key-pair",
    {
      name: cloudKeyName(clusterName),
      publicKey: sshKey.publicKey,
      tags: { "homespan.cluster": clusterName },
    },
    { provider, deleteBeforeReplace: true },
  );
  const common: Omit<LightsailServerArgs, "nodeName" | "role" | keyof LightsailPlace> = {
    clusterName,
    region,
    tailnet,
    keyPairName: keyPair.name,
    privateKey: sshKey.privateKey,
    artifacts: machineArtifacts(config.k3sVersion, machine.mirror),
    open: {
      sshCidrs: config.sshAllowedCidrs,
      ingress: config.ingress,
      extraPorts: config.extraPorts,
    },
  };
  return [...config.servers, ...config.agents].map((node) => {
    const { name: nodeName, role, availabilityZone, bundleId, blueprintId, diskGiB, snapshotTime } = node;
    const place: LightsailPlace = { availabilityZone, bundleId, blueprintId, diskGiB, snapshotTime };
    const host = new LightsailServer(
      nodeName,
      { ...common, ...place, nodeName, role },
      { providers: [provider] },
    );
    return { node, host };
  });
}

/** What all hosts are made with. */
interface HostParts {
  readonly machine: LightsailMachine;
  readonly tailnet: LastingTailnet;
  readonly sshKey: SshKey;
  readonly provider: Provider;
}

/** Machines that exist already. */
function takeHosts(
  config: LightsailConfig,
  machine: LightsailMachine,
  tailnet: LastingTailnet,
  { publicKey, privateKey }: SshKey,
): NodeElsewhere[] {
  const { clusterName } = config;
  const artifacts = machineArtifacts(config.k3sVersion, machine.mirror);
  return config.existing.map((node) => {
    const { name: nodeName, existing } = node;
    const host = new ExistingHost(nodeName, {
      ...existing,
      ...{ clusterName, nodeName, tailnet, publicKey, privateKey, artifacts },
      podRoutes: podRoutesOf(config),
    });
    return { node, host };
  });
}

type LightsailPlace = Pick<
  LightsailServerArgs,
  "availabilityZone" | "bundleId" | "blueprintId" | "diskGiB" | "snapshotTime"
>;

const ofRole = (nodes: readonly NodeOfRole[], role: Role): NodeOfRole[] =>
  nodes.filter(({ node }) => node.role === role);

/** What the configuration says about each node. */
function joins(config: LightsailConfig, nodes: readonly (NodeOfRole | NodeElsewhere)[]): ClusterNode[] {
  return nodes.map(({ node, host }) => ({
    host,
    // With ingress only servers open its ports.
    labels:
      config.ingress && node.role === "server"
        ? { ...node.labels, [serviceLbLabel.key]: serviceLbLabel.value }
        : node.labels,
    taints: node.taints,
    kubeletArgs: node.kubeletArgs,
    extraConfig: config.extraConfig[node.role],
  }));
}

/** By address alone: the identity is there before the first contact with any of them. */
function serverTransports(
  servers: readonly NodeOfRole[],
  sshKey: SshKey,
): ConstructorParameters<typeof ClusterIdentity>[1]["serverTransports"] {
  const transports = servers.map(({ host }) =>
    pulumi.all([host.externalAddress, sshKey.privateKey]).apply(([address, privateKey]) => ({
      kind: "ssh" as const,
      address,
      port: sshPort,
      user: host.user,
      privateKey,
    })),
  );
  return pulumi.secret(pulumi.all(transports));
}

function nodeOutput({ node, host }: NodeOfRole): pulumi.Output<LightsailNodeOutput> {
  return pulumi.all([host.externalAddress, host.machine.hostKey]).apply(([address, hostKey]) => ({
    name: host.nodeName,
    role: node.role,
    site: host.site,
    hostName: host.hostName,
    transport: { kind: "ssh" as const, address, port: sshPort, user: host.user, hostKey },
  }));
}

function elsewhereOutput({ node, host }: NodeElsewhere): pulumi.Output<LightsailNodeOutput> {
  const { nodeName: name, site, hostName, address, port, user } = host;
  return host.machine.hostKey.apply((hostKey) => ({
    ...{ name, role: node.role, site, hostName },
    transport: { kind: "ssh" as const, address, port, user, hostKey },
  }));
}
