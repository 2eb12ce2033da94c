/** Nodes that a restored cluster knows from its snapshot, and the stack does not: they left after it was taken. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Captured, Outputs } from "../cluster.ts";
import { capture, kubernetesNodes, withKubeconfig } from "../cluster.ts";
import type { Context } from "../context.ts";
import { Failure } from "../errors.ts";

export interface StrangersPatience {
  /** How long a question is asked again that has no answer: right after a restore the API is busy. */
  readonly askSeconds: number;
  readonly pauseSeconds: number;
}
const PATIENCE: StrangersPatience = { askSeconds: 60, pauseSeconds: 3 };
const DELETE_MILLISECONDS = 30_000;

/** @throws Failure when the cluster does not answer, or some are left; to be called again then. */
export async function removeStrangers(
  context: Context,
  stack: string,
  outputs: Outputs,
  patience = PATIENCE,
): Promise<void> {
  const goOn = `fix: go on with ./homespan restore ${stack}`;
  const known = await answered("which nodes the restored cluster has", goOn, patience, async () => {
    const { nodes, problem } = await kubernetesNodes(context, outputs);
    return problem === undefined ? { value: nodes.map(({ name }) => name) } : { problem };
  });
  const own = outputs.nodes.map(({ name }) => name);
  const strangers = known.filter((name) => !own.includes(name));
  if (strangers.length === 0) return;
  const remove = (args: readonly string[]): Promise<Captured> =>
    withKubeconfig(context, outputs.kubeconfig, (file) =>
      capture(
        context,
        "kubectl",
        ["--kubeconfig", file, "delete", "--ignore-not-found", "--wait=false", ...args],
        DELETE_MILLISECONDS,
      ),
    );
  // The passwords first: whoever goes on looks for Nodes, and finds their passwords by them.
  const passwords = strangers.map((name) => `${name}.node-password.k3s`);
  for (const args of [
    ["secret", "--namespace", "kube-system", ...passwords],
    ["node", ...strangers],
  ]) {
    const { ok, text } = await remove(args);
    if (!ok) throw new Failure(`nodes of before are left, ${strangers.join(", ")}: ${text}\n${goOn}`);
  }
  context.console.info(`removed nodes that the stack has no more: ${strangers.join(", ")}`);
}

/** Asks until there is an answer: none is not the same as an empty one. */
async function answered<T>(
  question: string,
  goOn: string,
  { askSeconds, pauseSeconds }: StrangersPatience,
  ask: () => Promise<{ readonly value: T } | { readonly problem: string }>,
): Promise<T> {
  const end = Date.now() + askSeconds * 1000;
  for (;;) {
    const answer = await ask();
    if ("value" in answer) return answer.value;
    if (Date.now() >= end) {
      throw new Failure(
        `for ${String(askSeconds)} s it could not be asked ${question}: ${answer.problem}\n${goOn}`,
      );
    }
    await sleep(pauseSeconds * 1000);
  }
}
