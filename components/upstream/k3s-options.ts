/**
 * Every option k3s reads from its configuration file, and which of them the topology, the boot sequence or the join
 * layer writes. The list is that of v1.35.1+k3s1, the hidden and deprecated ones included:
 * https://github.com/k3s-io/k3s/blob/v1.35.1%2Bk3s1/pkg/cli/cmds/server.go (and agent.go, root.go, config.go, log.go there).
 *
 * It is closed because k3s itself is not of one mind: a server skips an option it does not know with one line in its
 * log, an agent ends.
 */
interface Option {
  /** Where k3s has it. @default server and agent */
  readonly only?: "server" | "agent";
  /** Why an `extraConfig` that names it contradicts the topology, or what to use instead. @default it is free */
  readonly owned?: string;
  /** Its value is a secret: no message may show it. */
  readonly secret?: true;
}

const both: Option = {};
const server: Option = { only: "server" };
const owned = (reason: string): Option => ({ owned: reason });
const ownedOnServers = (reason: string): Option => ({ only: "server", owned: reason });

const reasons = {
  address: "the boot sequence sets it to the tailnet address",
  alike: "servers are all alike",
  clear: "it would be stored in the clear; put it into a Secret that `etcd-s3-config-secret` names",
  datastore: "use `datastore`",
  dataPath: "the data path is over the tailnet; `podNetwork` picks it",
  kubeconfig: "only root reads the kubeconfig on the node, at its default place",
  listener: "the API answers at port 6443 of every address of the node",
  log: "the log of the k3s child is where `doctor` and Podman look for it",
  policy: "the tailnet's policy does not open its port between nodes",
  reset: "a reset is a one-time command, not configuration",
  runtime: "the node runs k3s's own containerd",
  tokens: "join tokens are handed over as files",
  vpn: "the tailnet is brought up before k3s, see https://github.com/k3s-io/k3s/issues/14515",
} as const;

export const k3sOptions: Readonly<Record<string, Option>> = {
  "advertise-address": ownedOnServers(reasons.address),
  "advertise-port": ownedOnServers(reasons.listener),
  "agent-token": { ...ownedOnServers(reasons.tokens), secret: true },
  "agent-token-file": ownedOnServers(reasons.tokens),
  "airgap-extra-registry": both,
  alsologtostderr: owned(reasons.log),
  "apiserver-bind-address": ownedOnServers(reasons.listener),
  "apiserver-port": ownedOnServers(reasons.listener),
  "bind-address": owned(reasons.listener),
  "cluster-cidr": server,
  "cluster-dns": server,
  "cluster-domain": server,
  "cluster-init": ownedOnServers("use `datastore: etcd`"),
  "cluster-reset": ownedOnServers(reasons.reset),
  "cluster-reset-restore-path": ownedOnServers(reasons.reset),
  config: owned("k3s reads the file the join writes"),
  "container-runtime-endpoint": owned(reasons.runtime),
  "data-dir": owned("the data volume is mounted at the default place"),
  "datastore-cafile": ownedOnServers(reasons.datastore),
  "datastore-certfile": ownedOnServers(reasons.datastore),
  "datastore-endpoint": { ...ownedOnServers(reasons.datastore), secret: true },
  "datastore-keyfile": ownedOnServers(reasons.datastore),
  debug: owned("use `v`; `./homespan ssh <node>` leads to the log of the k3s child"),
  "default-local-storage-path": server,
  "default-runtime": both,
  disable: ownedOnServers("use `disable`"),
  "disable-agent": ownedOnServers("every server is a node, taint it with `nodes.<name>.taints`"),
  "disable-apiserver": ownedOnServers(reasons.alike),
  "disable-apiserver-lb": {
    only: "agent",
    owned: "an agent goes on with another server when its own is away",
  },
  "disable-cloud-controller": server,
  "disable-controller-manager": ownedOnServers(reasons.alike),
  "disable-default-registry-endpoint": both,
  "disable-etcd": ownedOnServers(reasons.alike),
  "disable-helm-controller": server,
  "disable-kube-proxy": ownedOnServers("Services have no other way to their pods"),
  "disable-network-policy": server,
  "disable-scheduler": ownedOnServers("the smoke pods have to be scheduled"),
  docker: owned(reasons.runtime),
  "egress-selector-mode": server,
  "embedded-registry": ownedOnServers(reasons.policy),
  "enable-pprof": both,
  "etcd-arg": server,
  "etcd-disable-snapshots": server,
  "etcd-expose-metrics": server,
  "etcd-s3": server,
  "etcd-s3-access-key": { ...ownedOnServers(reasons.clear), secret: true },
  "etcd-s3-bucket": server,
  "etcd-s3-bucket-lookup-type": server,
  "etcd-s3-config-secret": server,
  "etcd-s3-endpoint": server,
  "etcd-s3-endpoint-ca": server,
  "etcd-s3-folder": server,
  "etcd-s3-insecure": server,
  "etcd-s3-proxy": server,
  "etcd-s3-region": server,
  "etcd-s3-retention": server,
  "etcd-s3-secret-key": { ...ownedOnServers(reasons.clear), secret: true },
  "etcd-s3-session-token": { ...ownedOnServers(reasons.clear), secret: true },
  "etcd-s3-skip-ssl-verify": server,
  "etcd-s3-timeout": server,
  "etcd-snapshot-compress": server,
  "etcd-snapshot-dir": ownedOnServers("snapshots stay on the node's data volume"),
  "etcd-snapshot-name": server,
  "etcd-snapshot-reconcile-interval": server,
  "etcd-snapshot-retention": server,
  "etcd-snapshot-schedule-cron": server,
  "flannel-backend": ownedOnServers(reasons.dataPath),
  "flannel-cni-conf": owned(reasons.dataPath),
  "flannel-conf": owned(reasons.dataPath),
  "flannel-external-ip": ownedOnServers(reasons.dataPath),
  "flannel-iface": owned(reasons.dataPath),
  "flannel-ipv6-masq": server,
  "helm-job-image": server,
  "https-listen-port": ownedOnServers("use `apiPort`, which publishes 6443"),
  "image-credential-provider-bin-dir": both,
  "image-credential-provider-config": both,
  "image-service-endpoint": owned(reasons.runtime),
  "kine-tls": server,
  "kube-apiserver-arg": server,
  "kube-cloud-controller-arg": server,
  "kube-cloud-controller-manager-arg": server,
  "kube-controller-arg": server,
  "kube-controller-manager-arg": server,
  "kube-proxy-arg": both,
  "kube-scheduler-arg": server,
  "kubelet-arg": owned("use `nodes.<name>.kubeletArgs`"),
  "lb-server-port": both,
  log: owned(reasons.log),
  "node-external-dns": both,
  "node-external-ip": owned("the boot sequence sets it"),
  "node-internal-dns": both,
  "node-ip": owned(reasons.address),
  "node-label": owned("use `nodes.<name>.labels`"),
  "node-name": owned("it is the name of the node in the topology"),
  "node-taint": owned("use `nodes.<name>.taints`"),
  "nonroot-devices": both,
  "pause-image": both,
  "prefer-bundled-bin": both,
  "private-registry": both,
  "protect-kernel-defaults": both,
  "resolv-conf": owned("it keeps MagicDNS out of CoreDNS"),
  rootless: owned("a node is a privileged container of root"),
  "secrets-encryption": ownedOnServers("secrets are always encrypted at rest"),
  "secrets-encryption-provider": server,
  selinux: owned("the node's container runs without SELinux labels"),
  server: owned("the boot sequence picks a reachable server"),
  "service-cidr": server,
  "service-node-port-range": server,
  "servicelb-namespace": server,
  snapshotter: both,
  "supervisor-metrics": server,
  "supervisor-port": ownedOnServers(reasons.listener),
  "system-default-registry": server,
  "tls-san": ownedOnServers("it follows from the names and addresses of the node"),
  "tls-san-security": server,
  token: { ...owned(reasons.tokens), secret: true },
  "token-file": owned(reasons.tokens),
  v: both,
  vmodule: both,
  "vpn-auth": { ...owned(reasons.vpn), secret: true },
  "vpn-auth-file": owned(reasons.vpn),
  "with-node-id": owned("a node keeps its name when it is re-created"),
  "write-kubeconfig": ownedOnServers(reasons.kubeconfig),
  "write-kubeconfig-group": ownedOnServers(reasons.kubeconfig),
  "write-kubeconfig-mode": ownedOnServers(reasons.kubeconfig),
};

/** The one-letter names some options have beside their own; `v` is an option's own name. */
export const k3sOptionAliases: Readonly<Record<string, string>> = {
  c: "config",
  d: "data-dir",
  i: "node-ip",
  l: "log",
  o: "write-kubeconfig",
  s: "server",
  t: "token",
};

/** Options that belong to the topology, each with the reason or with what to use instead. */
export const ownedOptions: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(k3sOptions).flatMap(([name, option]) =>
    option.owned === undefined ? [] : [[name, option.owned]],
  ),
);
