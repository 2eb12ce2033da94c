/** A running Deployment as a manifest that another cluster can have as well. */
import type { HomespanCluster } from "./homespan.ts";

export const smoke = { namespace: "homespan-smoke", deployment: "smoke" } as const;

interface Live {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels?: object };
  readonly spec: object;
}

/** Namespace and Deployment, without what the first cluster's API added to them. */
export async function smokeManifest(cluster: HomespanCluster): Promise<string> {
  const { namespace, deployment } = smoke;
  const text = await cluster.kubectl(["get", "deployment", "-n", namespace, deployment, "-o", "json"]);
  const { metadata, spec } = JSON.parse(text) as Live;
  const items = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: metadata.name, namespace: metadata.namespace, labels: metadata.labels ?? {} },
      spec,
    },
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
