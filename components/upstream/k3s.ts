/** Literals of k3s; its options are in k3s-options.ts. */

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
  /** Where etcd's snapshots are copied to, with the key for it. */
  snapshots: "/etc/rancher/k3s/config.yaml.d/20-snapshots.yaml",
  /** Where images are pulled from instead of the registry in their name. https://docs.k3s.io/installation/private-registry */
  registries: "/etc/rancher/k3s/registries.yaml",
  /** flannel's configuration, where it is not the one k3s writes. */
  flannel: "/etc/rancher/k3s/flannel.json",
  /** Ours: where flannel names the network of this node's pods, with `podNetwork: routes`. */
  podSubnet: "/var/lib/rancher/k3s/agent/pod-subnet",
  /** Between k3s's own defaults, `00-k3s-defaults.conf`, and `10-cli-config.conf`. */
  kubelet: "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/05-homespan.conf",
  /** https://docs.k3s.io/advanced#configuring-containerd */
  containerdDirectory: "/var/lib/rancher/k3s/agent/etc/containerd",
  /** https://docs.k3s.io/installation/airgap#manually-deploy-images-method */
  imagesDirectory: "/var/lib/rancher/k3s/agent/images",
} as const;

/**
 * As soon as one node has it, LoadBalancer Services are served by the nodes that have it alone.
 * https://docs.k3s.io/networking/networking-services#controlling-servicelb-node-selection
 */
export const serviceLbLabel = { key: "svccontroller.k3s.cattle.io/enablelb", value: "true" } as const;

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

/** kubelet arguments that follow from the topology. */
export const ownedKubeletArguments: readonly string[] = [
  "hostname-override",
  "node-ip",
  "node-labels",
  "register-with-taints",
  "resolv-conf",
  "root-dir",
];
