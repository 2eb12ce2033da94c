/** The pods of a stack's smoke test: one on each node (components/kubernetes/smoke-test.ts). */
import { setTimeout as sleep } from "node:timers/promises";
import { capture, clusterOutputs, withKubeconfig } from "./cluster.ts";
import type { Context } from "./context.ts";
import { readResources } from "./deployment.ts";
import type { Progress } from "./progress.ts";

/** Where they run, with a busybox each. */
export const smoke = {
  namespace: "homespan-smoke",
  deployment: "smoke",
  label: "app.kubernetes.io/name=smoke",
} as const;

interface SmokePatience {
  /** Pods of a lost machine are made anew once Kubernetes is sure of its end, which takes most of a minute. */
  readonly seconds: number;
  readonly pauseSeconds: number;
}
const PATIENCE: SmokePatience = { seconds: 180, pauseSeconds: 2 };
const QUESTION_MILLISECONDS = 20_000;

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";

/**
 * Waits for them after a run that changed something below them, such as a node's machine, and left the Deployment as it was: where
 * it changes that, Pulumi waits itself.
 */
export async function awaitUnsettledSmokeTest(
  context: Context,
  stack: string,
  progress: Progress,
): Promise<void> {
  if (progress.touchedNothing || progress.changed(DEPLOYMENT)) return;
  const resources = await readResources(context.paths, stack);
  if (!resources.some(({ type }) => type === DEPLOYMENT)) return;
  await awaitSmokeTest(context, stack, (await clusterOutputs(context, stack)).kubeconfig);
}

/**
 * Waits until each node runs one: a run that follows at once would find the Deployment unfinished and update it, which changes
 * nothing. What does not run in the end is a warning: the nodes are Ready.
 */
export async function awaitSmokeTest(
  context: Context,
  stack: string,
  kubeconfig: string,
  { seconds, pauseSeconds }: SmokePatience = PATIENCE,
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  let state = await rolloutState(context, kubeconfig);
  if (!state.includes("successfully rolled out")) {
    context.console.info(`waiting for a pod of the smoke test on each node: ${state}`);
  }
  // A question at a time: between them a signal ends this process, and no kubeconfig is in a file.
  while (!state.includes("successfully rolled out") && Date.now() < end) {
    await sleep(pauseSeconds * 1000);
    state = await rolloutState(context, kubeconfig);
  }
  if (state.includes("successfully rolled out")) return;
  context.console.warn(
    `warning: after ${String(seconds)} s not every node was seen to run a pod of the smoke test: ${state}; see ` +
      `./homespan kubectl --stack ${stack} get pods -n ${smoke.namespace} -o wide`,
  );
}

/** In kubectl's words: `deployment "smoke" successfully rolled out`, what it waits for, or why it does not know. */
async function rolloutState(context: Context, kubeconfig: string): Promise<string> {
  const { namespace, deployment } = smoke;
  const question = [
    "rollout",
    "status",
    `deployment/${deployment}`,
    "--watch=false",
    "--request-timeout=10s",
  ];
  const { text } = await withKubeconfig(context, kubeconfig, (file) =>
    capture(
      context,
      "kubectl",
      ["--kubeconfig", file, "--namespace", namespace, ...question],
      QUESTION_MILLISECONDS,
    ),
  );
  return (text.trim().split("\n").at(-1) ?? "").replace(/\.+$/, "");
}
