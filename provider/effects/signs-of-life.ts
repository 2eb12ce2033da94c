/** What is known of a node that is to leave. */
import { setTimeout as delay } from "node:timers/promises";
import type { Transport } from "../schema/common.ts";
import type { Kubernetes } from "./kubernetes.ts";
import type { NodeAccess } from "./node-files.ts";
import { isReadyServer } from "./other-servers.ts";
import { placeOf } from "./ssh-failure.ts";

/**
 * A dead server is waited for no longer. Enough for a handshake of WireGuard that is lost once (5 s), and less than what it mostly
 * takes to find that its SSH is silent, which goes on meanwhile.
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

/**
 * Asks the machine, and its own API, which is reached by another way: the tailnet.
 *
 * @throws for a server that is silent by SSH alone. Its member would be removed while its k3s runs, and join again.
 */
export async function signsOfLife(
  nodes: NodeAccess,
  kubernetes: Kubernetes,
  { nodeName, kubeconfig, transport, ownEndpoint = "" }: LeavingNode,
  readyMilliseconds = READY_MILLISECONDS,
): Promise<SignsOfLife> {
  const asked =
    ownEndpoint === "" ? Promise.resolve(false) : isReadyServer(kubernetes, kubeconfig, ownEndpoint);
  const inTime = Promise.race([asked, delay(readyMilliseconds, false, { ref: false })]);
  const [gone, runs] = await Promise.all([nodes.gone(transport), inTime]);
  // Of its own pods Podman knows.
  if (gone && runs && transport.kind === "ssh") {
    throw new Error(
      `${nodeName} was left as it is: SSH does not lead to it (${placeOf(transport)}), but its k3s runs: ${ownEndpoint} says ` +
        `ready. Let SSH in from here (a firewall's rules, on Lightsail \`sshAllowedCidrs\`), or stop k3s there (k3s-stop), ` +
        `and run again`,
    );
  }
  return { gone, runs };
}
