/** Whether the rest of a control plane is complete: only then may one more of its servers go. */
import { listNodes } from "./cluster-nodes.ts";
import { type Kubernetes, type KubernetesApi, Unreachable } from "./kubernetes.ts";
import { ETCD_ROLE } from "./node-removal.ts";
import { Busy } from "./patient-kubernetes.ts";

export interface OtherServers {
  /** The server that is to go. */
  readonly nodeName: string;
  readonly kubeconfig: string;
  /** APIs of all the others there should be. */
  readonly endpoints: readonly string[];
}

/** The API there says ready, which it does while its member takes part in etcd. */
export async function isReadyServer(
  kubernetes: Kubernetes,
  kubeconfig: string,
  endpoint: string,
): Promise<boolean> {
  try {
    const api = await kubernetes.connect({ kubeconfig, endpoints: [endpoint] });
    return (await api.call("GET", "/readyz")).status === 200;
  } catch (error) {
    if (error instanceof Unreachable) return false;
    throw error;
  }
}

/**
 * What is missing, in words; nothing when each of the others answers for itself and votes in etcd. Each is asked, as the
 * cluster calls a server Ready for most of a minute after its end.
 */
export async function missingServers(
  kubernetes: Kubernetes,
  api: KubernetesApi,
  { nodeName, kubeconfig, endpoints }: OtherServers,
): Promise<readonly string[]> {
  const answers = await Promise.all(
    endpoints.map((endpoint) => isReadyServer(kubernetes, kubeconfig, endpoint)),
  );
  const silent = endpoints.filter((_, index) => answers[index] !== true);
  if (silent.length > 0) return silent.map((endpoint) => `${endpoint} is not ready`);
  try {
    const nodes = await listNodes(api);
    const own = nodes.find((node) => node.name === nodeName);
    // One that is no voter leaves the others as they are.
    if (own === undefined || own.etcdVoter === false) return [];
    const voters = nodes.filter(
      (node) =>
        node.name !== nodeName && node.labels[ETCD_ROLE] === "true" && node.ready && node.etcdVoter !== false,
    );
    if (voters.length >= endpoints.length) return [];
    const names = voters.map((node) => node.name).join(", ");
    return [
      `of ${String(endpoints.length)} others only these vote in etcd and are Ready: ${names || "none"}`,
    ];
  } catch (error) {
    if (error instanceof Busy) return [error.message];
    throw error;
  }
}
