/** A node that leaves for a moment, as its machine restarts: its pods go first, and it comes back by itself. */
import { bodyOf, getNode, patchNode } from "./cluster-nodes.ts";
import { type OnNode, hasKubelet, kubeletApi } from "./kubelet-api.ts";
import { type KubernetesApi, Unreachable } from "./kubernetes.ts";
import { drain } from "./node-removal.ts";
import { patientKubernetes, whenAnswered } from "./patient-kubernetes.ts";
import { recreateCommand } from "../logic/own-commands.ts";
import { type Clock, waitFor } from "./wait.ts";

/** What the machine was as a node, before. */
export interface Paused {
  readonly nodeName: string;
  /** Another one after the restart. */
  readonly bootId: string;
  /** Somebody had cordoned it before: it stays so. */
  readonly wasCordoned: boolean;
}

interface Patience {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface PauseOptions extends Patience {
  readonly seconds: number;
  /** Leaves a mark that tells this cordon from another's, for {@link resumeLeftover}. @default false */
  readonly mark?: boolean;
}

/** How long a machine may take to say whether it is a node. */
const ANSWER_SECONDS = 60;

/** Annotation of a node that is cordoned for a restart of its machine. */
const MARK = "homespan.dev/restarts";

interface RawNode {
  readonly status?: { readonly nodeInfo?: { readonly bootID?: string } };
}

/** Patient with servers that cannot answer for a moment. */
async function apiOf(run: OnNode, clock: Clock): Promise<KubernetesApi> {
  const kubernetes = { connect: () => Promise.resolve(kubeletApi(run)), ping: () => Promise.resolve(true) };
  return patientKubernetes(kubernetes, clock).connect({ kubeconfig: "", endpoints: [] });
}

/** Whether somebody in the machine answers. */
export async function answers(run: OnNode): Promise<boolean> {
  return (await whenAnswered(async () => [await hasKubelet(run)])) !== undefined;
}

/**
 * Whether the machine is a node. One that is slow has a minute to tell.
 *
 * @throws when it does not tell: it may be one, whose pods would be killed and whose return nobody would wait for.
 */
async function isNode(run: OnNode, nodeName: string, { clock, signal }: Patience): Promise<boolean> {
  let said = "";
  const attempt = async (): Promise<readonly [boolean] | undefined> => {
    try {
      return [await hasKubelet(run)];
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      said = error.message;
      return undefined;
    }
  };
  const patience = { seconds: ANSWER_SECONDS, firstMilliseconds: 1000, maximumMilliseconds: 3000 };
  const told = await waitFor(attempt, { ...patience, clock, signal });
  if (told !== undefined) return told[0];
  throw new Error(
    `${nodeName} was left as it is: its machine does not tell whether it is a node already (${said}). Run up again; a machine ` +
      `that is stopped by hand is started again without, and ${recreateCommand(nodeName)} makes it anew without asking it`,
  );
}

async function bootIdOf(api: KubernetesApi, nodeName: string): Promise<string> {
  const answer = await api.call("GET", `/api/v1/nodes/${nodeName}`);
  const raw = bodyOf(answer, `reading node ${nodeName}`) as RawNode;
  return raw.status?.nodeInfo?.bootID ?? "";
}

/**
 * Cordons the node and asks its pods to leave.
 *
 * @returns undefined for a machine that is no node (yet), or whose node is not Ready: nobody has to leave it.
 * @throws when the machine does not tell whether it is a node, or no server of the cluster answers; the node is as it was then.
 */
export async function pauseNode(
  run: OnNode,
  nodeName: string,
  options: PauseOptions,
): Promise<Paused | undefined> {
  const { clock, signal, seconds } = options;
  if (!(await isNode(run, nodeName, options))) return undefined;
  try {
    const api = await apiOf(run, clock);
    const node = await getNode(api, nodeName);
    if (node?.ready !== true) return undefined;
    const wasCordoned = node.unschedulable && node.annotations[MARK] === undefined;
    const paused = { nodeName, bootId: await bootIdOf(api, nodeName), wasCordoned };
    if (!wasCordoned) {
      const metadata = options.mark === true ? { metadata: { annotations: { [MARK]: "true" } } } : {};
      await patchNode(api, nodeName, { ...metadata, spec: { unschedulable: true } });
    }
    try {
      await drain(api, nodeName, { clock, signal, drainSeconds: seconds });
    } catch (error) {
      await resumeNode(run, paused, clock).catch(() => undefined);
      throw error;
    }
    return paused;
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    throw new Error(
      `${nodeName} was left as it is: it cannot be drained, as no server of its cluster answers it (${error.message}). ` +
        `Start a server and run again; a machine that is stopped by hand is started again without`,
      { cause: error },
    );
  }
}

/** Lets pods come again. */
export async function resumeNode(
  run: OnNode,
  { nodeName, wasCordoned }: Paused,
  clock: Clock,
): Promise<void> {
  if (wasCordoned) return;
  await open(await apiOf(run, clock), nodeName);
}

async function open(api: KubernetesApi, nodeName: string): Promise<void> {
  await patchNode(api, nodeName, {
    metadata: { annotations: { [MARK]: null } },
    spec: { unschedulable: null },
  });
}

/**
 * Lets pods come again to a node that a run which was killed has left cordoned; what others cordoned stays so.
 *
 * @throws when the machine does not tell whether it is a node: no later run would look for the cordon.
 */
export async function resumeLeftover(run: OnNode, nodeName: string, patience: Patience): Promise<void> {
  if (!(await isNode(run, nodeName, patience))) return;
  const api = await apiOf(run, patience.clock);
  // Where no server answers there is nothing to be seen, nor to be done.
  const node = await whenAnswered(() => getNode(api, nodeName));
  if (node?.annotations[MARK] !== undefined) await open(api, nodeName);
}

/**
 * Waits until the node is Ready since its machine started anew: the cluster calls it so for most of a minute after its end.
 *
 * @returns why it is not, when the time is over.
 */
export async function waitForNode(
  run: OnNode,
  { nodeName, bootId }: Paused,
  { clock, signal, seconds }: PauseOptions,
): Promise<string | undefined> {
  let last = "its machine does not answer";
  const attempt = async (): Promise<true | undefined> => {
    // One that does not tell is starting.
    if (!(await hasKubelet(run))) return undefined;
    const api = kubeletApi(run);
    const node = await getNode(api, nodeName);
    last = node === undefined ? "it has not registered" : node.reason;
    if (node?.ready !== true) return undefined;
    if ((await bootIdOf(api, nodeName)) !== bootId) return true;
    last = "its kubelet has not reported since the start";
    return undefined;
  };
  const back = await waitFor(() => whenAnswered(attempt), {
    ...{ seconds, signal, clock },
    firstMilliseconds: 1000,
    maximumMilliseconds: 3000,
  });
  return back === true ? undefined : last;
}
