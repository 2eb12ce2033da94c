/** The pods of a stack's smoke test: one on each node (components/kubernetes/smoke-test.ts). */
import { capture, withKubeconfig } from "./cluster.ts";
import type { Context } from "./context.ts";

/** Where they run, with a busybox each. */
export const smoke = {
  namespace: "homespan-smoke",
  deployment: "smoke",
  label: "app.kubernetes.io/name=smoke",
} as const;

/** Those of a lost machine are made anew once Kubernetes is sure of its end, which takes most of a minute. */
const WAIT_SECONDS = 180;

/**
 * Waits until each node runs one, as `up` does where it makes the Deployment or changes it. What does not run by then is a warning:
 * the nodes themselves are Ready.
 *
 * Without this, a run that follows at once finds the Deployment unfinished and updates it, which changes nothing.
 */
export async function awaitSmokeTest(context: Context, stack: string, kubeconfig: string): Promise<void> {
  const { namespace, deployment } = smoke;
  context.console.info("waiting for a pod of the smoke test on each node");
  const rollout = ["rollout", "status", `deployment/${deployment}`, `--timeout=${String(WAIT_SECONDS)}s`];
  const done = await withKubeconfig(context, kubeconfig, (file) =>
    capture(
      context,
      "kubectl",
      ["--kubeconfig", file, "--namespace", namespace, ...rollout],
      (WAIT_SECONDS + 30) * 1000,
    ),
  );
  if (done.ok) return;
  const reason = (done.text.trim().split("\n").at(-1) ?? "").replace(/^error: /, "");
  context.console.warn(
    `warning: not every node runs a pod of the smoke test after ${String(WAIT_SECONDS)} s: ${reason}. See ` +
      `./homespan kubectl --stack ${stack} get pods -n ${namespace} -o wide`,
  );
}
