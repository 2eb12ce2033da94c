/**
 * Literals of k3s's hardening guide and of what it configures in Kubernetes.
 * https://docs.k3s.io/security/hardening-guide, the sections for v1.29 and newer
 */

/** The profile of kube-bench that test/e2e compares nodes with; each later one is newer than the version that is pinned. */
export const cisProfile = "k3s-cis-1.8";

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
export const podSecurityLevels = ["restricted", "baseline", "privileged"] as const;
export type PodSecurityLevel = (typeof podSecurityLevels)[number];

/** Namespace of everything k3s deploys itself: CoreDNS, Traefik, ServiceLB's pods, the helper pods of local-path. */
export const systemNamespace = "kube-system";

/** Namespaces that every cluster has. */
export const initialNamespaces = ["default", "kube-node-lease", "kube-public", systemNamespace] as const;

export const hardeningPaths = {
  auditPolicy: "/etc/rancher/k3s/audit-policy.yaml",
  admission: "/etc/rancher/k3s/admission.yaml",
  /** The API server makes the directory, for root alone. */
  auditLog: "/var/lib/rancher/k3s/server/logs/audit.log",
  /** Deployed by k3s itself. https://docs.k3s.io/installation/packaged-components#auto-deploying-manifests-addons */
  serviceAccounts: "/var/lib/rancher/k3s/server/manifests/homespan-service-accounts.yaml",
} as const;

/** Those of TLS 1.2 that the guide leaves; TLS 1.3 has its own, which cannot be chosen. */
const cipherSuites = [
  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
  "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
];

/** Of every node; a later argument of the same name wins, so `pod-max-pids` is the user's to change. */
export const hardenedKubeletArguments: readonly string[] = [
  "pod-max-pids=4096",
  "streaming-connection-idle-timeout=5m",
  `tls-cipher-suites=${cipherSuites.join(",")}`,
  "tls-min-version=VersionTLS12",
];

/** Of every server, beside those that name files and the log. k3s's own NodeRestriction is lost where the list is not repeated. */
export const hardenedApiArguments: readonly string[] = [
  "enable-admission-plugins=NodeRestriction,EventRateLimit",
  "service-account-extend-token-expiration=false",
];

export const hardenedControllerArguments: readonly string[] = ["terminated-pod-gc-threshold=100"];

/** What the guide allows one API server in events a second, and at once. */
export const eventRateLimit = { qps: 5000, burst: 20_000 } as const;

const asSet = "the hardening guide's setting stays";
const audit = "use `auditLog`";
const k3sOwn = "k3s's own setting stays";

/** Arguments inside k3s's options that `extraConfig` may not give, each with the reason or with what to use instead. */
export const ownedArguments: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "kube-apiserver-arg": {
    "admission-control-config-file": "use `podSecurity`",
    "anonymous-auth": k3sOwn,
    "audit-log-maxage": audit,
    "audit-log-maxbackup": audit,
    "audit-log-maxsize": audit,
    "audit-log-path": audit,
    "audit-policy-file": audit,
    "authorization-mode": k3sOwn,
    "disable-admission-plugins": asSet,
    "encryption-provider-config": "secrets are always encrypted at rest",
    profiling: k3sOwn,
    "service-account-extend-token-expiration": asSet,
    "service-account-lookup": k3sOwn,
    "token-auth-file": k3sOwn,
  },
  "kube-controller-arg": {
    "bind-address": k3sOwn,
    profiling: k3sOwn,
    "use-service-account-credentials": k3sOwn,
  },
  "kube-controller-manager-arg": {
    "bind-address": k3sOwn,
    profiling: k3sOwn,
    "use-service-account-credentials": k3sOwn,
  },
  "kube-scheduler-arg": { "bind-address": k3sOwn, profiling: k3sOwn },
};

/** kubelet arguments that a hardened node does not take from its user. */
export const ownedHardenedKubeletArguments: readonly string[] = [
  "anonymous-auth",
  "authorization-mode",
  "client-ca-file",
  "config",
  "config-dir",
  "make-iptables-util-chains",
  "protect-kernel-defaults",
  "read-only-port",
  "rotate-certificates",
  "streaming-connection-idle-timeout",
  "tls-cipher-suites",
  "tls-min-version",
];
