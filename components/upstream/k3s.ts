/** Literals of k3s. Options: https://docs.k3s.io/cli/server and https://docs.k3s.io/cli/agent */

/** Ports a k3s cluster with flannel VXLAN uses. https://docs.k3s.io/installation/requirements#networking */
export const k3sPorts = {
  apiServer: 6443,
  etcdClient: 2379,
  etcdPeer: 2380,
  kubelet: 10250,
  flannelVxlan: 8472,
} as const;

/** Where k3s looks for files, seen from inside the machine (or the container) it runs in. */
export const k3sPaths = {
  config: "/etc/rancher/k3s/config.yaml",
  /** Read after config.yaml, in order of name; `10-address.yaml` belongs to the boot sequence. */
  registration: "/etc/rancher/k3s/config.yaml.d/05-registration.yaml",
  /** https://docs.k3s.io/advanced#configuring-containerd */
  containerdDirectory: "/var/lib/rancher/k3s/agent/etc/containerd",
  /** https://docs.k3s.io/installation/airgap#manually-deploy-images-method */
  imagesDirectory: "/var/lib/rancher/k3s/agent/images",
} as const;

/** What `disable` accepts. https://docs.k3s.io/installation/packaged-components */
export const packagedComponents = [
  "coredns",
  "local-storage",
  "metrics-server",
  "runtimes",
  "servicelb",
  "traefik",
] as const;
export type PackagedComponent = (typeof packagedComponents)[number];

/** Where a cluster keeps its state: SQLite on a lone server, or embedded etcd. https://docs.k3s.io/datastore */
export const datastores = ["sqlite", "etcd"] as const;
export type Datastore = (typeof datastores)[number];

/**
 * k3s options that the topology, the boot sequence or the join layer writes, each with the reason or with what to use instead.
 * An `extraConfig` that names one of them contradicts the topology.
 */
export const ownedOptions: Readonly<Record<string, string>> = {
  "advertise-address": "the boot sequence sets it to the tailnet address",
  "agent-token": "join tokens are handed over as files",
  "agent-token-file": "join tokens are handed over as files",
  "cluster-init": "use `datastore: etcd`",
  "cluster-reset": "a reset is a one-time command, not configuration",
  config: "k3s reads the file the join writes",
  "data-dir": "the data volume is mounted at the default place",
  "datastore-endpoint": "use `datastore`",
  debug: "use `./homespan ssh <node>` and the log of the k3s child",
  disable: "use `disable`",
  "disable-agent": "every server is a node, taint it with `nodes.<name>.taints`",
  "disable-etcd": "servers are all alike",
  "disable-apiserver": "servers are all alike",
  "flannel-backend": "the data path is VXLAN over the tailnet",
  "flannel-iface": "the data path is the tailnet interface",
  "https-listen-port": "use `apiPort`, which publishes 6443",
  "kubelet-arg": "use `nodes.<name>.kubeletArgs`",
  "node-external-ip": "the boot sequence sets it",
  "node-ip": "the boot sequence sets it to the tailnet address",
  "node-label": "use `nodes.<name>.labels`",
  "node-name": "it is the name of the node in the topology",
  "node-taint": "use `nodes.<name>.taints`",
  "resolv-conf": "it keeps MagicDNS out of CoreDNS",
  "secrets-encryption": "secrets are always encrypted at rest",
  server: "the boot sequence picks a reachable server",
  "tls-san": "it follows from the names and addresses of the node",
  token: "join tokens are handed over as files",
  "token-file": "join tokens are handed over as files",
  "vpn-auth": "the tailnet is brought up before k3s, see https://github.com/k3s-io/k3s/issues/14515",
  "vpn-auth-file": "the tailnet is brought up before k3s, see https://github.com/k3s-io/k3s/issues/14515",
  "with-node-id": "a node keeps its name when it is re-created",
  "write-kubeconfig": "the kubeconfig is read from its default place",
  "write-kubeconfig-mode": "only root reads the kubeconfig on the node",
};

/** kubelet arguments that follow from the topology. */
export const ownedKubeletArguments: readonly string[] = [
  "hostname-override",
  "node-ip",
  "node-labels",
  "register-with-taints",
  "resolv-conf",
  "root-dir",
];
