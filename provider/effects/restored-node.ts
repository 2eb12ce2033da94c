/** A node of a cluster that was restored from a snapshot: what the snapshot says of it is of the past. */
import { bodyOf } from "./cluster-nodes.ts";
import type { KubernetesApi } from "./kubernetes.ts";

/** `silent` until its kubelet has reported; `unproven` until k3s keeps a password of it, too; then `back`. */
export type Presence = "silent" | "unproven" | "back";

/**
 * Says how far the node is back in the restored cluster. To be asked again and again.
 *
 * The first time it takes away the node password that the snapshot brought back: a machine that is newer than the snapshot has
 * another one and would be rejected. A machine brings its own when its k3s starts, and only then: one that ran through it all
 * stays `unproven`, and whoever comes first could take its name.
 *
 * @param lost - its machine: the server that began with the snapshot has forgotten it already, and k3s keeps the new one's password
 *   without a further start, if some seconds late
 */
export function restoredNode(name: string, lost = false): (api: KubernetesApi) => Promise<Presence> {
  const password = `/api/v1/namespaces/kube-system/secrets/${name}.node-password.k3s`;
  let forgotten = false;
  let former: string | undefined;
  return async (api) => {
    if (!forgotten && !lost) {
      const answer = await api.call("DELETE", password);
      if (answer.status !== 404) bodyOf(answer, `deleting the node password of ${name}`);
      forgotten = true;
    }
    // The kubelet renews it every ten seconds, and nobody else does: no two clocks are compared.
    const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${name}`;
    const answer = await api.call("GET", path);
    const lease = answer.status === 404 ? {} : bodyOf(answer, `reading the lease of ${name}`);
    const renewed = (lease as { spec?: { renewTime?: string } }).spec?.renewTime ?? "";
    former ??= renewed;
    if (renewed === former) return "silent";
    if (lost) return "back";
    const kept = await api.call("GET", password);
    if (kept.status === 404) return "unproven";
    bodyOf(kept, `reading the node password of ${name}`);
    return "back";
  };
}
