/**
 * Nodes that a restored cluster knows from its snapshot, and the stack does not: those that left after it was taken, and those of
 * others, such as a stack that joins this one's cluster. A kubelet that runs does not register again, so what lives is kept.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Outputs } from "../cluster.ts";
import { capture, kubernetesNodes, withKubeconfig } from "../cluster.ts";
import type { Context } from "../context.ts";
import { Failure } from "../errors.ts";

export interface StrangersPatience {
  /** How long a question is asked again that has no answer: right after a restore the API is busy. */
  readonly askSeconds: number;
  /** How long a Node is watched before nobody is behind it: its kubelet may take most of a minute to find the restored cluster. */
  readonly watchSeconds: number;
  readonly pauseSeconds: number;
}
const PATIENCE: StrangersPatience = { askSeconds: 60, watchSeconds: 60, pauseSeconds: 3 };
const DELETE_MILLISECONDS = 30_000;

const leasesSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({ renewTime: z.string().optional() }).default({}),
    }),
  ),
});

/**
 * Removes those that nobody is behind, and says which others are kept.
 *
 * @throws Failure when the cluster does not answer, or some are left; to be called again then.
 */
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
  const { console } = context;
  console.info(
    `waiting up to ${String(patience.watchSeconds)} s for word of nodes that are not this stack's: ${strangers.join(", ")}`,
  );
  const silent = await withoutWord(strangers, patience, () =>
    answered("which nodes of the restored cluster live", goOn, patience, () => renewals(context, outputs)),
  );
  const kept = strangers.filter((name) => !silent.includes(name));
  if (kept.length > 0) console.info(`kept nodes that are not this stack's: ${kept.join(", ")}`);
  if (silent.length === 0) return;
  await remove(context, outputs, silent, goOn);
  console.info(`removed nodes that the stack has no more: ${silent.join(", ")}`);
}

/** Those whose lease is not renewed meanwhile. What it says at first is the snapshot's word; no two clocks are compared. */
async function withoutWord(
  names: readonly string[],
  { watchSeconds, pauseSeconds }: StrangersPatience,
  ask: () => Promise<ReadonlyMap<string, string>>,
): Promise<readonly string[]> {
  const former = await ask();
  let silent = names;
  let end = Date.now() + watchSeconds * 1000;
  do {
    await sleep(pauseSeconds * 1000);
    const asked = Date.now();
    const now = await ask();
    // While the API does not answer, no kubelet can renew.
    end += Date.now() - asked;
    // A lease that goes is no word of its node.
    silent = silent.filter((name) => !now.has(name) || now.get(name) === former.get(name));
  } while (silent.length > 0 && Date.now() < end);
  return silent;
}

/** When each kubelet last gave a sign of life: it does so every ten seconds, and nobody else in its place. */
async function renewals(
  context: Context,
  outputs: Outputs,
): Promise<{ readonly value: ReadonlyMap<string, string> } | { readonly problem: string }> {
  const question = ["get", "leases", "--namespace", "kube-node-lease", "-o", "json", "--request-timeout=5s"];
  const { ok, text } = await withKubeconfig(context, outputs.kubeconfig, (file) =>
    capture(context, "kubectl", ["--kubeconfig", file, ...question]),
  );
  if (!ok) return { problem: text };
  const { items } = leasesSchema.parse(JSON.parse(text));
  return { value: new Map(items.map(({ metadata, spec }) => [metadata.name, spec.renewTime ?? ""])) };
}

/** The passwords first: whoever goes on looks for Nodes, and finds their passwords by them. */
async function remove(
  context: Context,
  outputs: Outputs,
  names: readonly string[],
  goOn: string,
): Promise<void> {
  const passwords = names.map((name) => `${name}.node-password.k3s`);
  for (const what of [
    ["secret", "--namespace", "kube-system", ...passwords],
    ["node", ...names],
  ]) {
    const { ok, text } = await withKubeconfig(context, outputs.kubeconfig, (file) => {
      const args = ["--kubeconfig", file, "delete", "--ignore-not-found", "--wait=false", ...what];
      return capture(context, "kubectl", args, DELETE_MILLISECONDS);
    });
    if (!ok) throw new Failure(`nodes of before are left, ${names.join(", ")}: ${text}\n${goOn}`);
  }
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
