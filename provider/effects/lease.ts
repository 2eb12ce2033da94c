/** A lock in the cluster itself, so that two runs on two machines do not change servers at the same time. */
import { randomUUID } from "node:crypto";
import { bodyOf } from "./cluster-nodes.ts";
import { type KubernetesApi, cannotAnswer } from "./kubernetes.ts";
import { Busy } from "./patient-kubernetes.ts";
import { type Clock, waitFor } from "./wait.ts";

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const NAME = "homespan-server-change";

interface RawLease {
  metadata?: { resourceVersion?: string; uid?: string };
  spec?: { holderIdentity?: string; renewTime?: string; leaseDurationSeconds?: number };
}

export interface LockOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly waitSeconds: number;
  /** After this long a lock left by a killed run is taken over. */
  readonly holdSeconds: number;
}

function lease(holder: string, options: LockOptions, resourceVersion?: string): unknown {
  const now = new Date(options.clock.now()).toISOString().replace("Z", "000Z");
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: NAME, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: options.holdSeconds,
      acquireTime: now,
      renewTime: now,
    },
  };
}

/** The lock as it was taken: it is given back only while it is still this one. */
type Preconditions = { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined };

interface Attempt {
  readonly taken?: Preconditions;
  readonly heldBy: string;
}

function takenAs(raw: unknown): Preconditions {
  const { uid, resourceVersion } = (raw as RawLease).metadata ?? {};
  return { uid, resourceVersion };
}

async function tryAcquire(api: KubernetesApi, holder: string, options: LockOptions): Promise<Attempt> {
  const created = await api.call("POST", LEASES, lease(holder, options));
  if (created.status !== 409 && !cannotAnswer(created.status)) {
    return { taken: takenAs(bodyOf(created, "taking the server lock")), heldBy: holder };
  }
  const found = await api.call("GET", `${LEASES}/${NAME}`);
  if (found.status === 404) return { heldBy: "" };
  const current = bodyOf(found, "reading the server lock") as RawLease;
  const heldBy = current.spec?.holderIdentity ?? "";
  // Taken by an attempt whose answer was lost.
  if (heldBy === holder) return { taken: takenAs(current), heldBy };
  const ends = Date.parse(current.spec?.renewTime ?? "") + (current.spec?.leaseDurationSeconds ?? 0) * 1000;
  if (ends > options.clock.now()) return { heldBy };
  // The resource version makes this fail when someone else was faster.
  const body = lease(holder, options, current.metadata?.resourceVersion);
  const taken = await api.call("PUT", `${LEASES}/${NAME}`, body);
  return taken.status === 200 ? { taken: takenAs(taken.body), heldBy } : { heldBy };
}

/** {@link tryAcquire}; servers that cannot answer now are asked again in the next round. */
async function attemptUnlessBusy(...args: Parameters<typeof tryAcquire>): Promise<Attempt> {
  try {
    return await tryAcquire(...args);
  } catch (error) {
    if (error instanceof Busy) return { heldBy: `nobody knows: ${error.message}` };
    throw error;
  }
}

/** Runs `work` while no other server of the cluster is being removed. */
export async function withServerLock<T>(
  api: KubernetesApi,
  what: string,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const holder = `${what}/${randomUUID()}`;
  let heldBy = "";
  const taken = await waitFor(
    async () => {
      const attempt = await attemptUnlessBusy(api, holder, options);
      heldBy = attempt.heldBy;
      return attempt.taken;
    },
    { seconds: options.waitSeconds, signal: options.signal, clock: options.clock, firstMilliseconds: 300 },
  );
  if (taken === undefined) {
    throw new Error(
      `${what} waited ${String(options.waitSeconds)} s for the change of another server to end (lock ` +
        `kube-system/${NAME}, held by ${heldBy})`,
    );
  }
  try {
    return await work();
  } finally {
    // Left behind, it expires by itself; the error of `work` is the one that matters. Whoever took it over keeps it.
    await api.call("DELETE", `${LEASES}/${NAME}`, { preconditions: taken }).catch(() => undefined);
  }
}
