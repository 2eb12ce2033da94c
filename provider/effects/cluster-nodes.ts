/** Nodes of a cluster, as far as memberships need them. */
import { type Answer, type ClusterAccess, type Kubernetes, type KubernetesApi } from "./kubernetes.ts";

/**
 * Set by flannel when it has this node's subnet (flannel, pkg/subnet/kube). A node can be Ready a moment before: a pod that
 * starts in between fails and waits out the kubelet's back-off of ten seconds.
 */
const FLANNEL_ADDRESS = "flannel.alpha.coreos.com/public-ip";

/** A Node object. */
export interface ClusterNode {
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The kubelet says Ready, and pods get a network. */
  readonly ready: boolean;
  /** Why it is not Ready, in the kubelet's words; "" when it is. */
  readonly reason: string;
  readonly unschedulable: boolean;
  readonly addresses: readonly string[];
  /** "" before the kubelet's first report. */
  readonly kubeletVersion: string;
  /**
   * Its member counts for etcd's majority, whether it answers or not; `undefined` when the node reports no membership. That a
   * voter does not answer is no news of its health: see {@link UNANSWERED}.
   */
  readonly etcdVoter: boolean | undefined;
}

/**
 * The reason by which k3s takes `EtcdIsVoter` away from a member that does not answer (pkg/etcd/etcd.go,
 * setEtcdStatusCondition), although it votes as before. k3s asks one after the other within 15 s in all, and waits for one
 * that is dead until these are over: those after it get this reason too, however well they are. So it is not taken as a
 * sign of death; that the Node is not Ready is.
 */
const UNANSWERED = "Unhealthy";

interface RawCondition {
  type?: string;
  status?: string;
  reason?: string;
  message?: string;
}
interface RawNode {
  metadata?: {
    name?: string;
    uid?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec?: { unschedulable?: boolean };
  status?: {
    conditions?: RawCondition[];
    addresses?: { type?: string; address?: string }[];
    nodeInfo?: { kubeletVersion?: string };
  };
}

/** Reads a Node object. */
export function clusterNode(raw: unknown): ClusterNode {
  const node = raw as RawNode;
  const condition = (type: string): RawCondition | undefined =>
    node.status?.conditions?.find((candidate) => candidate.type === type);
  const kubelet = condition("Ready");
  const network = node.metadata?.annotations?.[FLANNEL_ADDRESS] !== undefined;
  const ready = kubelet?.status === "True" && network;
  // pkg/etcd of k3s sets this condition on every node that runs a member.
  const voter = condition("EtcdIsVoter");
  return {
    name: node.metadata?.name ?? "",
    uid: node.metadata?.uid ?? "",
    labels: node.metadata?.labels ?? {},
    annotations: node.metadata?.annotations ?? {},
    ready,
    reason: ready ? "" : reasonOf(kubelet),
    unschedulable: node.spec?.unschedulable ?? false,
    kubeletVersion: node.status?.nodeInfo?.kubeletVersion ?? "",
    addresses: (node.status?.addresses ?? []).flatMap((entry) => entry.address ?? []),
    etcdVoter: voter === undefined ? undefined : voter.status === "True" || voter.reason === UNANSWERED,
  };
}

function reasonOf(kubelet: RawCondition | undefined): string {
  if (kubelet?.status === "True") return "flannel has not started";
  return kubelet?.message ?? "the kubelet has not reported yet";
}

/** The answer's body, or an error that names what was asked for. */
export function bodyOf(answer: Answer, what: string): unknown {
  if (answer.status >= 200 && answer.status < 300) return answer.body;
  const message = (answer.body as { message?: string } | null)?.message;
  throw new Error(
    `${what} failed: HTTP ${String(answer.status)}${message === undefined ? "" : `, ${message}`}`,
  );
}

/** All nodes. */
export async function listNodes(api: KubernetesApi): Promise<readonly ClusterNode[]> {
  const body = bodyOf(await api.call("GET", "/api/v1/nodes"), "listing nodes") as { items?: unknown[] };
  return (body.items ?? []).map(clusterNode);
}

/** One node, or `undefined`. */
export async function getNode(api: KubernetesApi, name: string): Promise<ClusterNode | undefined> {
  const answer = await api.call("GET", `/api/v1/nodes/${name}`);
  return answer.status === 404 ? undefined : clusterNode(bodyOf(answer, `reading node ${name}`));
}

/** Strategic merge patch of a node; `null` removes a key. */
export async function patchNode(api: KubernetesApi, name: string, patch: unknown): Promise<ClusterNode> {
  return clusterNode(
    bodyOf(await api.call("PATCH", `/api/v1/nodes/${name}`, patch), `changing node ${name}`),
  );
}

const SHARED_MILLISECONDS = 1000;

/** One list of nodes for all memberships that are read within a second. */
export class NodeLists {
  readonly #kubernetes: Kubernetes;
  readonly #now: () => number;
  readonly #shared = new Map<
    string,
    { readonly at: number; readonly nodes: Promise<readonly ClusterNode[]> }
  >();

  constructor(kubernetes: Kubernetes, now: () => number = Date.now) {
    this.#kubernetes = kubernetes;
    this.#now = now;
  }

  list(access: ClusterAccess): Promise<readonly ClusterNode[]> {
    const key = JSON.stringify(access);
    const known = this.#shared.get(key);
    if (known !== undefined && this.#now() - known.at <= SHARED_MILLISECONDS) return known.nodes;
    const nodes = this.#kubernetes.connect(access).then(listNodes);
    this.#shared.set(key, { at: this.#now(), nodes });
    return nodes;
  }
}
