/** What is known of a node that is to leave. */
import { setTimeout as delay } from "node:timers/promises";
import type { Transport } from "../schema/common.ts";
import type { Kubernetes } from "./kubernetes.ts";
import type { NodeAccess } from "./node-files.ts";
import { isReadyServer } from "./other-servers.ts";

/**
 * A dead server is waited for no longer. Enough for a handshake of WireGuard that is lost once (5 s), and less than what it takes
 * to find that its SSH is silent, which goes on meanwhile.
 */
const READY_MILLISECONDS = 7000;

export interface LeavingNode {
  readonly nodeName: string;
  readonly kubeconfig: string;
  readonly transport: Transport;
  /** The API of this very node; an agent has none. */
  readonly ownEndpoint?: string | undefined;
}

export interface SignsOfLife {
  /** Nothing of the machine runs any more, as far as the way to it tells. */
  readonly gone: boolean;
  /** Its own API says ready. */
  readonly runs: boolean;
}

/** Asks the machine, and its own API, which is reached by another way: the tailnet. */
export async function signsOfLife(
  nodes: NodeAccess,
  kubernetes: Kubernetes,
  { kubeconfig, transport, ownEndpoint }: LeavingNode,
): Promise<SignsOfLife> {
  const asked =
    ownEndpoint === undefined ? Promise.resolve(false) : isReadyServer(kubernetes, kubeconfig, ownEndpoint);
  const inTime = Promise.race([asked, delay(READY_MILLISECONDS, false, { ref: false })]);
  const [gone, runs] = await Promise.all([nodes.gone(transport), inTime]);
  return { gone, runs };
}
