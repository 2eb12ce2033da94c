import {
  eventRateLimit,
  hardenedApiArguments,
  hardenedControllerArguments,
  hardeningPaths,
  initialNamespaces,
  type PodSecurityLevel,
} from "../upstream/hardening.ts";
import { renderYaml } from "./yaml.ts";

/** Which pods the cluster admits, in namespaces whose labels do not say otherwise. */
export interface PodSecurity {
  readonly enforce: PodSecurityLevel;
  /** Namespaces in which every pod is admitted, whatever their labels say. */
  readonly exemptNamespaces: readonly string[];
}

/** How much of the audit log each server keeps. */
export interface AuditLog {
  readonly maxAgeDays: number;
  /** Rotated files, beside the one that is written. */
  readonly maxBackups: number;
  /** A larger file is rotated. */
  readonly maxSizeMiB: number;
}

/** What the k3s hardening guide asks of a cluster, as far as there is a choice. */
export interface Hardening {
  readonly podSecurity: PodSecurity;
  readonly auditLog: AuditLog;
}

/** The API server's and the controller manager's arguments: k3s option -> `name=value`. */
export function hardenedArguments({ auditLog }: Hardening): Readonly<Record<string, readonly string[]>> {
  return {
    "kube-apiserver-arg": [
      `admission-control-config-file=${hardeningPaths.admission}`,
      `audit-log-maxage=${String(auditLog.maxAgeDays)}`,
      `audit-log-maxbackup=${String(auditLog.maxBackups)}`,
      `audit-log-maxsize=${String(auditLog.maxSizeMiB)}`,
      `audit-log-path=${hardeningPaths.auditLog}`,
      `audit-policy-file=${hardeningPaths.auditPolicy}`,
      ...hardenedApiArguments,
    ],
    "kube-controller-manager-arg": [...hardenedControllerArguments],
  };
}

/** A server's files: absolute path on the machine -> content. */
export function renderHardening({ podSecurity }: Hardening): Record<string, string> {
  return {
    [hardeningPaths.auditPolicy]: renderAuditPolicy(),
    [hardeningPaths.admission]: renderAdmission(podSecurity),
    [hardeningPaths.serviceAccounts]: renderServiceAccounts(),
  };
}

/**
 * Who asked for what, of whom and when, and what came of it: never a body, which may hold a Secret. Left out is what the cluster
 * asks for all the time by itself, and would be most of the log: leases, whether the server is well, and what its own components
 * read, Secrets excepted.
 */
function renderAuditPolicy(): string {
  const components = [
    "k3s-cloud-controller-manager",
    "system:apiserver",
    "system:k3s-supervisor",
    "system:kube-controller-manager",
    "system:kube-proxy",
    "system:kube-scheduler",
  ];
  const leases = [{ group: "coordination.k8s.io", resources: ["leases"] }];
  const secrets = [{ group: "", resources: ["secrets"] }];
  return renderYaml(
    {
      apiVersion: "audit.k8s.io/v1",
      kind: "Policy",
      omitStages: ["RequestReceived"],
      rules: [
        { level: "None", nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/version"] },
        { level: "None", userGroups: ["system:nodes"], resources: leases },
        { level: "None", users: components, resources: leases },
        { level: "Metadata", resources: secrets },
        { level: "None", users: components, verbs: ["get", "list", "watch"] },
        { level: "Metadata" },
      ],
    },
    "The API server's audit policy, written by Homespan. The first rule that fits counts.\nhttps://kubernetes.io/docs/tasks/debug/debug-cluster/audit/",
  );
}

function renderAdmission({ enforce, exemptNamespaces }: PodSecurity): string {
  return renderYaml(
    {
      apiVersion: "apiserver.config.k8s.io/v1",
      kind: "AdmissionConfiguration",
      plugins: [
        {
          name: "PodSecurity",
          configuration: {
            apiVersion: "pod-security.admission.config.k8s.io/v1",
            kind: "PodSecurityConfiguration",
            defaults: {
              enforce,
              "enforce-version": "latest",
              audit: "restricted",
              "audit-version": "latest",
              warn: "restricted",
              "warn-version": "latest",
            },
            exemptions: {
              usernames: [],
              runtimeClasses: [],
              namespaces: [...new Set(exemptNamespaces)].sort(),
            },
          },
        },
        {
          name: "EventRateLimit",
          configuration: {
            apiVersion: "eventratelimit.admission.k8s.io/v1alpha1",
            kind: "Configuration",
            limits: [{ type: "Server", ...eventRateLimit }],
          },
        },
      ],
    },
    "The API server's admission configuration, written by Homespan.\nhttps://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-admission-controller/",
  );
}

/** A pod that names no account, in a namespace that every cluster has, gets no token of the API. */
function renderServiceAccounts(): string {
  const header = "Written by Homespan, deployed by k3s (CIS 5.1.5).";
  return initialNamespaces
    .map((namespace) =>
      renderYaml(
        {
          apiVersion: "v1",
          kind: "ServiceAccount",
          metadata: { name: "default", namespace },
          automountServiceAccountToken: false,
        },
        header,
      ),
    )
    .join("---\n");
}
