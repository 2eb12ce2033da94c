/**
 * Inputs and outputs of every resource of the homespan provider: the one contract between `provider/` (which acts)
 * and `components/` (which declare). Outputs always contain the inputs as well.
 */
import { z } from "zod";
import {
  headscaleRefSchema,
  headscaleServerRefSchema,
  nameSchema,
  roleSchema,
  tailnetRefSchema,
  transportSchema,
} from "./common.ts";

/** Join tokens and the identity of one cluster; made before any node exists. */
export const clusterIdentityInputs = z.strictObject({
  clusterName: nameSchema,
  /** Where a server of this cluster would answer; used by `read` alone, to find out that the cluster has been initialised. */
  serverTransports: z.array(transportSchema).default([]),
});
export const clusterIdentityOutputs = clusterIdentityInputs.extend({
  clusterId: z.string(),
  createdAt: z.iso.datetime(),
  /** True once any server was seen Ready; never goes back. */
  initialised: z.boolean(),
  /** Secret. */
  serverToken: z.string(),
  /** Secret. */
  agentToken: z.string(),
});

/** What objects in the cluster and memberships are `deletedWith`; never replaced, so a whole-stack destroy skips drains. */
export const clusterAnchorInputs = z.strictObject({ clusterName: nameSchema });
export const clusterAnchorOutputs = clusterAnchorInputs.extend({});

/** The Podman API service of one cluster: its socket directory is mounted into stewards. */
export const podmanServiceInputs = z.strictObject({
  clusterName: nameSchema,
  /** Default `/run/homespan/<cluster>`, without root below XDG_RUNTIME_DIR. */
  socketDirectory: z.string().startsWith("/"),
});
export const podmanServiceOutputs = podmanServiceInputs.extend({
  socketPath: z.string(),
  pid: z.number().int(),
});

/** One site's Podman network, with a rule that drops new connections from other sites' subnets. */
export const siteNetworkInputs = z.strictObject({
  clusterName: nameSchema,
  site: nameSchema,
  /** Subnets that must not open connections to this site (replies pass). */
  denyFromSubnets: z.array(z.string()).default([]),
});
export const siteNetworkOutputs = siteNetworkInputs.extend({
  networkName: z.string(),
  subnet: z.string(),
  gateway: z.string(),
  /** False when `read` found the firewall rule missing. */
  ruleInPlace: z.boolean(),
});

/** Headscale in a container, with TLS from a CA made for it. */
export const headscaleServerInputs = z.strictObject({
  clusterName: nameSchema,
  networkName: z.string(),
  /** Address inside that network, fixed so that nodes find it again after it was re-created. */
  address: z.string(),
  hostName: z.string(),
  image: z.string(),
  /** config.yaml, rendered. */
  config: z.string(),
  /** Owner of the nodes' tags; made before the server counts as there, as policies and keys name it. */
  user: z.string().default("homespan"),
});
export const headscaleServerOutputs = headscaleServerInputs.extend({
  container: z.string(),
  volume: z.string(),
  url: z.string(),
  /** PEM, public. */
  caCertificate: z.string(),
  /** When the server's certificate ends; an update makes a new one 30 days earlier. */
  certificateExpiresAt: z.iso.datetime(),
  /** False when `read` found the container stopped. */
  running: z.boolean(),
});

/**
 * The Headscale user that owns a cluster's keys. One that is there already is taken as it is, and stays; one that was made
 * for the cluster goes with it.
 */
export const headscaleUserInputs = z.strictObject({
  headscale: headscaleServerRefSchema,
  clusterName: nameSchema,
  name: z.string().min(1),
});
export const headscaleUserOutputs = headscaleUserInputs.extend({
  userId: z.string(),
  /** True when it was made for this cluster. */
  made: z.boolean(),
});

/** Which node of the tailnet reaches which port of which other. Changed by hand, it is set again. */
export const headscalePolicyInputs = z.strictObject({
  headscale: headscaleRefSchema,
  /** HuJSON, rendered. */
  policy: z.string(),
  /**
   * The cluster whose policy it is, on a server that is not the cluster's own: a policy that does not bear its mark is
   * refused, and in the end everyone reaches everyone, as without a policy. Without it, any policy is taken over.
   */
  ownedBy: nameSchema.optional(),
  /** Take the place of a policy that others wrote; then it stays in the end. */
  adopt: z.boolean().default(false),
});
export const headscalePolicyOutputs = headscalePolicyInputs.extend({
  /** SHA-256 of the policy as found. */
  found: z.string(),
});

/** A single-use pre-auth key. Replaced when `identity` changes; creation removes devices of the former identity. */
export const headscaleKeyInputs = z.strictObject({
  headscale: headscaleRefSchema,
  user: z.string(),
  /** Tailnet host name of the node that will use the key: `<cluster>-<node>`. */
  hostName: z.string(),
  tags: z.array(z.string().startsWith("tag:")).min(1),
  expirySeconds: z.number().int().positive().default(3600),
  /**
   * For whoever has the tag's place at the time: a key for any number of logins, whose devices go when they are offline.
   * Its creation removes no devices, and it is made anew when it has expired.
   */
  shared: z.boolean().default(false),
  /** The data volume's id: a new volume is a new identity and needs a new key. */
  identity: z.string(),
});
export const headscaleKeyOutputs = headscaleKeyInputs.extend({
  keyId: z.string(),
  /** Secret. */
  key: z.string(),
});

/** A steward node's data volume: the node's identity lives here. */
export const stewardVolumeInputs = z.strictObject({
  clusterName: nameSchema,
  nodeName: nameSchema,
});
export const stewardVolumeOutputs = stewardVolumeInputs.extend({
  volumeName: z.string(),
  /** Random, kept as a label on the volume: changes when the volume is a new one. */
  volumeId: z.string(),
});

/** One steward node: pod, steward container and, started by it, the children. */
export const stewardNodeInputs = z.strictObject({
  clusterName: nameSchema,
  nodeName: nameSchema,
  site: nameSchema,
  networkName: z.string(),
  /** Lines for /etc/hosts of the pod: host name -> IPv4. */
  hostAliases: z.record(z.string(), z.string()).default({}),
  volumeName: z.string(),
  /** `volumeId` of the volume: a change replaces the node. */
  identity: z.string(),
  stewardImage: z.string(),
  /** Which build of that image: its name is the same for all of them. A change makes the pod anew on its volume. */
  stewardRevision: z.string().optional(),
  socketDirectory: z.string(),
  /** Ports published on 127.0.0.1 of this machine. */
  publish: z
    .array(
      z.strictObject({
        hostPort: z.number().int().min(1).max(65535),
        containerPort: z.number().int().min(1).max(65535),
      }),
    )
    .default([]),
  /** Non-secret files for the steward, path below /data -> content (`steward/node.conf`, `steward/children/*.args`). */
  files: z.record(z.string(), z.string()),
  /** Podman flags for this machine, from detection (`--ulimit=...`). */
  podmanFlags: z.array(z.string()).default([]),
});
/**
 * Output `identity` is the one NodeConfig and Membership take as theirs: it becomes unknown exactly when this node is
 * replaced, so that the engine removes the old membership before the old node. A change of image, network, ports or
 * files makes the pod anew on the same volume, as an update: same node, same identity.
 */
export const stewardNodeOutputs = stewardNodeInputs.extend({
  podName: z.string(),
  transport: transportSchema,
  /** False when `read` found pod or steward stopped. */
  running: z.boolean(),
});

/** What a steward node needs to enter its tailnet. The node is made before there is a control server to get it from. */
export const stewardLoginInputs = z.strictObject({
  nodeName: nameSchema,
  transport: transportSchema,
  /** StewardNode's output `identity`: a change is another node, which has to log in for the first time. */
  identity: z.string(),
  /** Path below /data -> content: `boot/ca.pem`, the CA of the control server, where the public CAs do not know it. */
  files: z.record(z.string(), z.string()).default({}),
  /** Secret. Delivered as /data/secrets/authkey; another one is for a machine that lost its device, which then logs in again. */
  authKey: z.string(),
});
export const stewardLoginOutputs = stewardLoginInputs.extend({});

/** Files of the join layer on a host, by checksum. */
export const nodeConfigInputs = z.strictObject({
  nodeName: nameSchema,
  transport: transportSchema,
  /** The machine's identity: a change writes everything again. */
  identity: z.string(),
  /** Path below /data -> content. */
  files: z.record(z.string(), z.string()),
  /** Secret values. Path below /data -> content, mode 0600. */
  secretFiles: z.record(z.string(), z.string()).default({}),
  /** `join.conf` for a cluster that is not initialised yet / already is; which one is written is decided at creation. */
  joinFile: z.strictObject({ path: z.string(), fresh: z.string(), initialised: z.string() }),
  /** ClusterIdentity.initialised; read at creation alone, no diff. */
  initialised: z.boolean(),
});
export const nodeConfigOutputs = nodeConfigInputs.extend({
  /** Which of `joinFile`'s texts was written at creation; updates keep to it. */
  joinVariant: z.enum(["fresh", "initialised"]),
  /** Path -> sha256 as found on the node. Missing file: "". */
  checksums: z.record(z.string(), z.string()),
  /** The last order to restore the cluster that the node was given; "" for none. */
  restored: z.string().default(""),
});

/** The admin kubeconfig, with the first endpoint that answers. */
export const kubeconfigInputs = z.strictObject({
  clusterName: nameSchema,
  /** In order of preference. `url` is reachable from where Pulumi runs. */
  servers: z.array(z.strictObject({ nodeName: nameSchema, transport: transportSchema, url: z.url() })).min(1),
  /** Proxy through which every server is reached, such as a tailnet operator's. */
  proxyUrl: z.string().optional(),
  /** ServerName for TLS when the URL's host is no SAN. */
  tlsServerName: z.string().optional(),
  waitSeconds: z.number().int().positive().default(300),
  /** ClusterIdentity.clusterId: another cluster, another kubeconfig. */
  clusterId: z.string(),
});
export const kubeconfigOutputs = kubeconfigInputs.extend({
  endpoint: z.string(),
  /** Secret. */
  kubeconfig: z.string(),
});

/** The membership of one node in the cluster: Ready, labelled; its delete is the orderly removal. */
export const membershipInputs = z.strictObject({
  clusterName: nameSchema,
  nodeName: nameSchema,
  role: roleSchema,
  /** Secret. */
  kubeconfig: z.string(),
  /** All API endpoints, to fall over between. */
  endpoints: z.array(z.url()).min(1),
  /** Of `endpoints`, the one this very node answers on (servers only): its removal never goes through it. */
  ownEndpoint: z.url().optional(),
  transport: transportSchema,
  /** StewardNode's output `identity`: a change is another node under the same name. */
  identity: z.string(),
  /** True when the node carries an etcd member. */
  etcd: z.boolean(),
  labels: z.record(z.string(), z.string()).default({}),
  tailnet: tailnetRefSchema,
  hostName: z.string(),
  tag: z.string().startsWith("tag:"),
  waitSeconds: z.number().int().positive().default(300),
  drainSeconds: z.number().int().nonnegative().default(60),
});
export const membershipOutputs = membershipInputs.extend({
  ready: z.boolean(),
  /** Of the labels this resource owns, those found on the Node. */
  foundLabels: z.record(z.string(), z.string()),
  tailnetAddress: z.string(),
  deviceId: z.string(),
  nodeUid: z.string(),
  /** Version of its kubelet, as found. */
  kubeletVersion: z.string(),
  /** The last order to restore the cluster after which it was seen Ready; "" for none. */
  restored: z.string().default(""),
});
