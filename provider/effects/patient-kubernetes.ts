/** A Kubernetes API that is asked again while servers come and go and etcd elects another leader. */
import { type Answer, type Kubernetes, type KubernetesApi, Unreachable, cannotAnswer } from "./kubernetes.ts";
import type { Clock } from "./wait.ts";

/** A server answered, but only that it cannot answer now; asked again it may. */
export class Busy extends Unreachable {}

/** A change of leader is over within this time; what takes longer is waited for by whoever can say how long. */
const PATIENCE_MILLISECONDS = 4000;
const PAUSE_MILLISECONDS = 300;

function refusal({ status, body }: Answer): string {
  const message = (body as { message?: unknown } | null)?.message;
  return `HTTP ${String(status)}${typeof message === "string" ? `, ${message}` : ""}`;
}

/**
 * Repeats what can be repeated: everything but POST. The patches of this provider set values, its deletions want
 * something gone, and its one PUT names the version it replaces.
 *
 * @throws {@link Busy} when the servers still cannot answer after some seconds.
 */
export function patientKubernetes(kubernetes: Kubernetes, clock: Clock): Kubernetes {
  // Seconds at most: not worth a cancellation.
  const { signal } = new AbortController();
  const patient = (api: KubernetesApi): KubernetesApi => ({
    async call(verb, path, body) {
      let end: number | undefined;
      for (;;) {
        const answer = await api.call(verb, path, body);
        // From the first answer on: one that was waited for says nothing of the others.
        end ??= clock.now() + PATIENCE_MILLISECONDS;
        if (verb === "POST" || !cannotAnswer(answer.status)) return answer;
        if (clock.now() >= end) throw new Busy(`the API cannot answer (${refusal(answer)})`);
        await clock.sleep(PAUSE_MILLISECONDS, signal);
      }
    },
  });
  return {
    connect: async (access) => patient(await kubernetes.connect(access)),
    ping: (url, proxyUrl) => kubernetes.ping(url, proxyUrl),
  };
}

/** For an attempt of a bounded wait: `undefined`, so that the wait goes on, while no server answers. */
export async function whenAnswered<T>(attempt: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof Unreachable) return undefined;
    throw error;
  }
}
