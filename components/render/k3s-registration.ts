import { renderYaml } from "./yaml.ts";

/** Labels and taints a node has from the moment it registers. */
export interface Registration {
  readonly labels: Readonly<Record<string, string>>;
  /** `key=value:Effect` or `key:Effect`. */
  readonly taints: readonly string[];
}

/**
 * `/etc/rancher/k3s/config.yaml.d/05-registration.yaml`.
 *
 * A file of its own, because kubelet reads labels and taints at its first registration only: kept out of config.yaml,
 * a changed label does not restart k3s. Later changes of labels are Membership's work.
 */
export function renderRegistration(registration: Registration): string {
  const labels = Object.entries(registration.labels)
    .filter(([key]) => !isReservedForTheApi(key))
    .map(([key, value]) => `${key}=${value}`)
    .sort();
  return renderYaml(
    {
      "node-label": labels,
      ...(registration.taints.length > 0 ? { "node-taint": [...registration.taints].sort() } : {}),
    },
    "Written by Homespan's join layer; read by kubelet when the node registers, and never again.",
  );
}

/**
 * kubelet stops at a label of its own namespaces that it does not know (`unknown 'kubernetes.io' or 'k8s.io' labels`),
 * so these are left to Membership, which sets them through the API.
 */
function isReservedForTheApi(key: string): boolean {
  const prefix = key.split("/")[0] ?? "";
  return key.includes("/") && /(^|\.)(kubernetes|k8s)\.io$/.test(prefix);
}
