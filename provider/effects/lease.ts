/** A lock in the cluster itself, so that two runs on two machines do not change servers at the same time. */
import { randomUUID } from "node:crypto";
import { bodyOf } from "./cluster-nodes.ts";
import type { KubernetesApi } from "./kubernetes.ts";
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

async function tryAcquire(
  api: KubernetesApi,
  holder: string,
  options: LockOptions,
): Promise<{ acquired: boolean; heldBy: string }> {
  const created = await api.call("POST", LEASES, lease(holder, options));
  if (created.status !== 409) {
    bodyOf(created, "taking the server lock");
    return { acquired: true, heldBy: holder };
  }
  const found = await api.call("GET", `${LEASES}/${NAME}`);
  if (found.status === 404) return { acquired: false, heldBy: "" };
  const current = bodyOf(found, "reading the server lock") as RawLease;
  const ends = Date.parse(current.spec?.renewTime ?? "") + (current.spec?.leaseDurationSeconds ?? 0) * 1000;
  if (ends > options.clock.now()) return { acquired: false, heldBy: current.spec?.holderIdentity ?? "" };
  // The resource version makes this fail when someone else was faster.
  const taken = await api.call(
    "PUT",
    `${LEASES}/${NAME}`,
    lease(holder, options, current.metadata?.resourceVersion),
  );
  return { acquired: taken.status === 200, heldBy: current.spec?.holderIdentity ?? "" };
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
  const acquired = await waitFor(
    async () => {
      const attempt = await tryAcquire(api, holder, options);
      heldBy = attempt.heldBy;
      return attempt.acquired ? true : undefined;
    },
    { seconds: options.waitSeconds, signal: options.signal, clock: options.clock, firstMilliseconds: 300 },
  );
  if (acquired === undefined) {
    throw new Error(
      `${what} waited ${String(options.waitSeconds)} s for the change of another server to end (lock ` +
        `kube-system/${NAME}, held by ${heldBy})`,
    );
  }
  try {
    return await work();
  } finally {
    // Left behind, it expires by itself; the error of `work` is the one that matters.
    await api.call("DELETE", `${LEASES}/${NAME}`).catch(() => undefined);
  }
}
