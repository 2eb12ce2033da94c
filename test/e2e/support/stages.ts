/** How far a node's own boot sequence is, from the file it keeps. */
import type { Cluster } from "./cluster.ts";
import { exec } from "./podman.ts";
import { eventually } from "./wait.ts";

interface Stage {
  readonly name: string;
  readonly state: string;
  readonly startedAt?: string | null;
  readonly finishedAt?: string | null;
}

/** In the order of the sequence. */
export async function stagesOf(cluster: Cluster, node: string): Promise<readonly Stage[]> {
  const text = await exec(cluster.container(node, "steward"), ["/usr/lib/homespan/stage"]);
  return (JSON.parse(text) as { readonly stages: readonly Stage[] }).stages;
}

/** Waits until a node that goes through its sequence again is at the end of it. */
export async function allStagesDone(cluster: Cluster, node: string, seconds: number): Promise<void> {
  await eventually(`${node} is ready again`, seconds, async () => {
    const behind = (await stagesOf(cluster, node)).filter(({ state }) => state !== "done");
    if (behind.length > 0) throw new Error(JSON.stringify(behind));
  });
}

/** From the start of a node's first stage to the end of its last; it must have ended. */
export async function secondsToReady(cluster: Cluster, node: string): Promise<number> {
  const stages = await stagesOf(cluster, node);
  const time = (stage: string, at: "startedAt" | "finishedAt"): number =>
    Date.parse(stages.find(({ name }) => name === stage)?.[at] ?? "");
  const seconds = (time("ready", "finishedAt") - time("tailnet", "startedAt")) / 1000;
  if (!(seconds > 0)) throw new Error(`${node} has not been ready: ${JSON.stringify(stages)}`);
  return seconds;
}
