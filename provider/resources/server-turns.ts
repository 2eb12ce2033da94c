/**
 * Changes that make k3s start again, on the servers of one cluster: one after the other, as etcd needs a majority of
 * them. Pulumi updates all nodes at once.
 */
import type { Effects } from "../effects/effects.ts";
import { waitFor } from "../effects/wait.ts";
import { otherServers, tailnetDomain } from "../logic/join-conf.ts";
import { quorumOf } from "../logic/quorum.ts";
import { type Stage, isReady, stuckText } from "../logic/stage.ts";
import type { Transport } from "../schema/common.ts";
import type { CallContext } from "../server/resource.ts";

/** One node, and a change to it. */
export interface Turn {
  readonly nodeName: string;
  readonly transport: Transport;
  /** False when the change turns out to restart nothing: nobody has to wait for it then. */
  readonly work: () => Promise<boolean>;
}

export interface ServerTurns {
  /**
   * Makes the change at once where nobody depends on the node: an agent, a lone server, one that is not Ready anyway.
   *
   * @throws when the cluster would lose its majority, or the node does not come back in time.
   */
  take(turn: Turn, context: CallContext): Promise<void>;
}

const READY_SECONDS = 300;
const JOIN_CONF = "join.conf";

/** Tells one run of the boot sequence to its end from the next. */
function readyMark(stages: readonly Stage[] | undefined): string {
  const ready = stages?.find((stage) => stage.name === "ready");
  return `${ready?.startedAt ?? ""} ${String(ready?.attempts ?? 0)}`;
}

export function serverTurns({ nodes, clock }: Effects): ServerTurns {
  /** The last change of each tailnet, where more than one cluster is rare; its end, good or bad, begins the next. */
  const last = new Map<string, Promise<void>>();

  const waiting = ({ signal }: CallContext) => ({
    seconds: READY_SECONDS,
    signal,
    clock,
    firstMilliseconds: 500,
    maximumMilliseconds: 2000,
  });

  /** Two servers have no majority to keep: there the other one is enough. */
  const waitForMajority = async (turn: Turn, others: readonly string[], context: CallContext) => {
    const needed = Math.min(quorumOf(others.length + 1), others.length);
    let missing: readonly string[] = [];
    const there = await waitFor(async () => {
      const ready = await nodes.readyServers(turn.transport, others);
      missing = others.filter((name) => !ready.includes(name));
      return others.length - missing.length >= needed ? true : undefined;
    }, waiting(context));
    if (there === true) return;
    throw new Error(
      `${turn.nodeName} was left as it is: its k3s has to start again, which needs ${String(needed)} other servers to be Ready, ` +
        `and these are not: ${missing.join(", ")}`,
    );
  };

  const inTurn = async (turn: Turn, others: readonly string[], context: CallContext): Promise<void> => {
    const { nodeName, transport } = turn;
    await waitForMajority(turn, others, context);
    const before = readyMark(await nodes.stages(transport));
    if (!(await turn.work())) return;
    let stages: readonly Stage[] | undefined;
    const back = await waitFor(async () => {
      stages = await nodes.stages(transport);
      return isReady(stages) && readyMark(stages) !== before ? true : undefined;
    }, waiting(context));
    if (back === true) return;
    throw new Error(
      `${nodeName} was not Ready again within ${String(READY_SECONDS)} s of its change: ${stuckText(stages, clock.now())}`,
    );
  };

  return {
    async take(turn, context) {
      const { transport } = turn;
      const isUp = isReady(await nodes.stages(transport));
      const others = isUp ? otherServers((await nodes.show(transport, JOIN_CONF)) ?? "") : [];
      const [other] = others;
      if (other === undefined) {
        await turn.work();
        return;
      }
      const tailnet = tailnetDomain(other);
      const before = last.get(tailnet) ?? Promise.resolve();
      const mine = before.then(() => inTurn(turn, others, context));
      last.set(
        tailnet,
        mine.catch(() => undefined),
      );
      await mine;
    },
  };
}
