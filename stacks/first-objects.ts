/** What every stack puts on its cluster in the same run that makes it. */
import * as pulumi from "@pulumi/pulumi";
import type { K3sCluster } from "../components/k3s/k3s-cluster.ts";
import { clusterProvider } from "../components/kubernetes/cluster-provider.ts";
import { SmokeTest } from "../components/kubernetes/smoke-test.ts";
import { images } from "../components/upstream/images.ts";

/**
 * Puts a smoke test on each of the cluster's nodes, once all of them are members.
 *
 * @returns the admin kubeconfig it went through, a secret
 */
export function firstObjects(clusterName: string, cluster: K3sCluster): pulumi.Output<string> {
  const kubeconfig = pulumi.secret(cluster.kubeconfig.kubeconfig);
  const provider = clusterProvider("cluster", { clusterName, kubeconfig, servers: cluster.serverCount });
  new SmokeTest(
    "smoke",
    {
      image: images.busybox,
      nodes: cluster.memberships.length,
      members: cluster.memberships,
      deletedWith: cluster.anchor,
    },
    { providers: [provider] },
  );
  return kubeconfig;
}
