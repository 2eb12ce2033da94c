/** Which objects are this cluster's. Names alone do not say: someone else may have used ours. */
import { clusterObjectName, podName } from "../../components/render/names.ts";
import { CLUSTER_LABEL, type Labels } from "../effects/podman.ts";

export interface Labelled {
  readonly name: string;
  readonly labels: Labels;
}

/**
 * The object of this name if it exists and belongs to the cluster.
 *
 * @throws when it exists but belongs to someone else: nothing foreign is adopted, changed or removed.
 */
export function ownObject<T extends Labelled>(
  kind: string,
  objects: readonly T[],
  name: string,
  cluster: string,
): T | undefined {
  const found = objects.find((object) => object.name === name);
  if (found === undefined) return undefined;
  if (found.labels[CLUSTER_LABEL] === cluster) return found;
  const owner = found.labels[CLUSTER_LABEL];
  throw new Error(
    `${kind} ${name} must be free or belong to cluster ${JSON.stringify(cluster)}, got one ` +
      (owner === undefined ? `without the label ${CLUSTER_LABEL}` : `of cluster ${JSON.stringify(owner)}`) +
      `; remove or rename it, or choose another \`clusterName\``,
  );
}

/** Names of everything Podman makes for a cluster. */
export const objectNames = {
  network: (cluster: string, site: string): string => clusterObjectName(cluster, site),
  volume: (cluster: string, node: string): string => `${podName(cluster, node)}-data`,
  pod: podName,
  infra: (cluster: string, node: string): string => `${podName(cluster, node)}-infra`,
  steward: (cluster: string, node: string): string => `${podName(cluster, node)}-steward`,
  headscale: (cluster: string): string => clusterObjectName(cluster, "headscale"),
  headscaleVolume: (cluster: string): string => clusterObjectName(cluster, "headscale-data"),
  registry: (cluster: string): string => clusterObjectName(cluster, "registry"),
  registryVolume: (cluster: string): string => clusterObjectName(cluster, "registry-data"),
  firewallTable: (cluster: string, site: string): string =>
    `homespan_${cluster}_${site}`.replaceAll(/[^a-zA-Z0-9]/g, "_"),
} as const;
