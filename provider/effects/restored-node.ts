/** A node of a cluster that was restored from a snapshot: what the snapshot says of it is of the past. */
import { bodyOf } from "./cluster-nodes.ts";
import type { KubernetesApi } from "./kubernetes.ts";

/**
 * Says whether the node's kubelet has reported to the restored cluster. To be asked again and again.
 *
 * The first time it takes away the node password that the snapshot brought back: a machine that is newer than the snapshot has
 * another one and would be rejected; one that has that password brings it again.
 */
export function restoredNode(name: string): (api: KubernetesApi) => Promise<boolean> {
  let forgotten = false;
  let former: string | undefined;
  return async (api) => {
    if (!forgotten) {
      const path = `/api/v1/namespaces/kube-system/secrets/${name}.node-password.k3s`;
      const answer = await api.call("DELETE", path);
      if (answer.status !== 404) bodyOf(answer, `deleting the node password of ${name}`);
      forgotten = true;
    }
    // The kubelet renews it every ten seconds, and nobody else does: no two clocks are compared.
    const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${name}`;
    const answer = await api.call("GET", path);
    const lease = answer.status === 404 ? {} : bodyOf(answer, `reading the lease of ${name}`);
    const renewed = (lease as { spec?: { renewTime?: string } }).spec?.renewTime ?? "";
    former ??= renewed;
    return renewed !== former;
  };
}
