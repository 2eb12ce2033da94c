/** The orderly way out of a cluster for one node: cordon, drain, etcd member, Node object, its last pods, node password. */
import { type Voter, isDispensable, removalRefusal } from "../logic/quorum.ts";
import { type ClusterNode, bodyOf, getNode, listNodes, patchNode } from "./cluster-nodes.ts";
import type { KubernetesApi } from "./kubernetes.ts";
import { whenAnswered } from "./patient-kubernetes.ts";
import { type Clock, waitFor } from "./wait.ts";

export interface DrainOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly drainSeconds: number;
}

export interface RemovalOptions extends DrainOptions {
  /** Nothing of the machine runs any more, whatever the cluster still believes of its node. */
  readonly gone: boolean;
  /** Its own API says ready, by whichever way the machine itself is reached or not. */
  readonly runs: boolean;
  /** Stops k3s on the node for good; false when the node does not do it. */
  readonly stop: () => Promise<boolean>;
  /** Takes that back. */
  readonly resume: () => Promise<void>;
}

/** How long Kubernetes and k3s may take for what they do by themselves (etcd change, finalizers). */
const SETTLE_SECONDS = 60;

// pkg/etcd/member_controller.go of k3s: the first asks for the removal. The second confirms it with the name of the member, which is
// the Node's with a random end, and takes the third, of the same name, away. A member that joins again brings the third alone
// back, with a new end.
const ETCD_REMOVE = "etcd.k3s.cattle.io/remove";
const ETCD_REMOVED = "etcd.k3s.cattle.io/removed-node-name";
const ETCD_MEMBER = "etcd.k3s.cattle.io/node-name";
export const ETCD_ROLE = "node-role.kubernetes.io/etcd";

interface RawLease {
  metadata?: { name?: string; resourceVersion?: string };
  spec?: { holderIdentity?: string };
}

interface RawPod {
  metadata?: {
    name?: string;
    namespace?: string;
    annotations?: Record<string, string>;
    ownerReferences?: { kind?: string }[];
  };
  status?: { phase?: string };
}

async function podsOn(api: KubernetesApi, node: string): Promise<readonly RawPod[]> {
  const path = `/api/v1/pods?fieldSelector=spec.nodeName%3D${node}`;
  const body = bodyOf(await api.call("GET", path), `listing pods of ${node}`) as { items?: RawPod[] };
  return body.items ?? [];
}

/** Pods a drain moves away: not those of daemon sets, static pods, or finished ones. */
async function podsToMove(api: KubernetesApi, node: string): Promise<readonly RawPod[]> {
  return (await podsOn(api, node)).filter(
    (pod) =>
      pod.metadata?.annotations?.["kubernetes.io/config.mirror"] === undefined &&
      !(pod.metadata?.ownerReferences ?? []).some((owner) => owner.kind === "DaemonSet") &&
      pod.status?.phase !== "Succeeded" &&
      pod.status?.phase !== "Failed",
  );
}

function podPath(pod: RawPod): string {
  return `/api/v1/namespaces/${pod.metadata?.namespace ?? ""}/pods/${pod.metadata?.name ?? ""}`;
}

/**
 * Asks the pods that are there to leave; what a disruption budget still holds when the time is over is deleted. Pods
 * that come meanwhile, because they tolerate the cordon, would come again and again: they end with the node.
 */
export async function drain(api: KubernetesApi, node: string, options: DrainOptions): Promise<void> {
  const first = new Set((await podsToMove(api, node)).map(podPath));
  const left = async (): Promise<readonly RawPod[]> =>
    (await podsToMove(api, node)).filter((pod) => first.has(podPath(pod)));
  const askAll = async (): Promise<true | undefined> => {
    const pods = await left();
    for (const pod of pods) {
      // 429: a disruption budget says "not now"; asked again in the next round. 404: gone meanwhile.
      await api.call("POST", `${podPath(pod)}/eviction`, {
        apiVersion: "policy/v1",
        kind: "Eviction",
        metadata: { name: pod.metadata?.name, namespace: pod.metadata?.namespace },
      });
    }
    return pods.length === 0 ? true : undefined;
  };
  const empty = await waitFor(() => whenAnswered(askAll), {
    seconds: options.drainSeconds,
    signal: options.signal,
    clock: options.clock,
    firstMilliseconds: 300,
  });
  if (empty !== true) await deletePods(api, await left());
}

async function deletePods(api: KubernetesApi, pods: readonly RawPod[]): Promise<void> {
  for (const pod of pods) await api.call("DELETE", podPath(pod), { gracePeriodSeconds: 0 });
}

/** Its member was removed, and none has joined from there since: only k3s's condition of it may still be of before. */
function hasLeft({ annotations }: ClusterNode): boolean {
  const left = annotations[ETCD_REMOVED];
  const member = annotations[ETCD_MEMBER];
  return left !== undefined && (member === undefined || member === left);
}

/**
 * Makes sure etcd can lose the member, and returns all members.
 *
 * @throws with the voters' names when it cannot.
 */
export async function checkQuorum(api: KubernetesApi, node: string): Promise<readonly Voter[]> {
  const members = (await listNodes(api))
    .filter((found) => found.labels[ETCD_ROLE] === "true" && !hasLeft(found))
    .map((found): Voter => ({ name: found.name, healthy: found.ready, voting: found.etcdVoter ?? true }));
  const refusal = removalRefusal(members, node);
  if (refusal !== undefined) throw new Error(refusal);
  return members;
}

/**
 * Gives up what a dead server leads. k3s's own controllers, one of which removes etcd members, wait 45 s for a leader
 * that went without a word (pkg/leader of rancher/wrangler).
 */
async function releaseLeases(api: KubernetesApi, node: string): Promise<true> {
  const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
  const body = bodyOf(await api.call("GET", leases), "listing leases") as { items?: RawLease[] };
  for (const { metadata, spec } of body.items ?? []) {
    const holder = spec?.holderIdentity ?? "";
    if (holder !== node && !holder.startsWith(`${node}_`)) continue;
    await api.call("PATCH", `${leases}/${metadata?.name ?? ""}`, {
      metadata: { resourceVersion: metadata?.resourceVersion },
      spec: { holderIdentity: "", leaseDurationSeconds: 1 },
    });
  }
  return true;
}

async function removeMember(api: KubernetesApi, name: string, options: RemovalOptions): Promise<void> {
  const before = await getNode(api, name);
  if (before?.annotations[ETCD_MEMBER] === undefined) return;
  // What an earlier removal left would pass for the confirmation of this one, and k3s would only clear it away.
  await patchNode(api, name, { metadata: { annotations: { [ETCD_REMOVE]: "true", [ETCD_REMOVED]: null } } });
  const outcome = async (): Promise<"removed" | "rejected" | undefined> => {
    const node = await getNode(api, name);
    if (node?.annotations[ETCD_REMOVED] !== undefined || node === undefined) return "removed";
    return node.annotations[ETCD_REMOVE] === undefined ? "rejected" : undefined;
  };
  const done = await waitFor(() => whenAnswered(outcome), {
    seconds: SETTLE_SECONDS,
    signal: options.signal,
    clock: options.clock,
  });
  if (done === "removed") return;
  throw new Error(
    done === "rejected"
      ? `etcd rejected the removal of ${name}: not enough members have started`
      : `etcd did not remove the member of ${name} within ${String(SETTLE_SECONDS)} s`,
  );
}

/**
 * Takes the member out, and sees to it that it does not come back: k3s, whose member was removed, starts anew and joins again
 * under its old name, and the next machine of that name is refused. So it is stopped before, where the others can decide
 * without it, and right after, where they cannot.
 */
async function leaveEtcd(
  api: KubernetesApi,
  name: string,
  voters: readonly Voter[],
  options: RemovalOptions,
): Promise<void> {
  const { gone, runs, stop, resume, ...wait } = options;
  const stopped = !gone && isDispensable(voters, name) && (await stop());
  try {
    // The one that was stopped may have led etcd: no server answers until another one does. Without an answer in all this time
    // the leases end by themselves, and the removal says what is wrong.
    const release = () => whenAnswered(() => releaseLeases(api, name));
    if (gone || stopped) await waitFor(release, { ...wait, seconds: SETTLE_SECONDS });
    await removeMember(api, name, options);
  } catch (error) {
    if (stopped) await resume();
    throw error;
  }
  if (gone || stopped || (await stop()) || !runs) return;
  throw new Error(
    `${name} has left etcd, but its k3s cannot be stopped: it joins again under its old name, for which etcd refuses the ` +
      `next machine of this name. Stop k3s there (k3s-stop), or end the machine, and run again`,
  );
}

/** Removes the node from the cluster; succeeds at once when it is not there. */
export async function removeNode(
  api: KubernetesApi,
  name: string,
  etcd: boolean,
  options: RemovalOptions,
): Promise<void> {
  const node = await getNode(api, name);
  if (node !== undefined) {
    const voters = etcd ? await checkQuorum(api, name) : [];
    if (!node.unschedulable) await patchNode(api, name, { spec: { unschedulable: true } });
    // A node that is not Ready cannot stop its pods: waiting for them would be in vain.
    if (node.ready && !options.gone) await drain(api, name, options);
    if (etcd) await leaveEtcd(api, name, voters, options);
    const deleted = await api.call("DELETE", `/api/v1/nodes/${name}`);
    if (deleted.status !== 404) bodyOf(deleted, `deleting node ${name}`);
    const missing = async (): Promise<true | undefined> =>
      (await getNode(api, name)) === undefined ? true : undefined;
    const gone = await waitFor(() => whenAnswered(missing), {
      seconds: SETTLE_SECONDS,
      signal: options.signal,
      clock: options.clock,
    });
    if (gone === undefined) {
      throw new Error(`node ${name} still has finalizers ${String(SETTLE_SECONDS)} s after its deletion`);
    }
  }
  // Kubernetes takes a minute to find that they belong to no node; a new node of the same name would start them before that.
  await deletePods(api, await podsOn(api, name));
  // Without this the next node of the same name is rejected (k3s#802).
  const secret = await api.call("DELETE", `/api/v1/namespaces/kube-system/secrets/${name}.node-password.k3s`);
  if (secret.status !== 404) bodyOf(secret, `deleting the node password of ${name}`);
}
