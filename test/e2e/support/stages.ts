/** How far a node's own boot sequence is, from the file it keeps. */
import type { Cluster } from "./cluster.ts";
import { exec } from "./podman.ts";

interface StageFile {
  readonly stages: readonly {
    readonly name: string;
    readonly startedAt?: string | null;
    readonly finishedAt?: string | null;
  }[];
}

/** From the start of a node's first stage to the end of its last; it must have ended. */
export async function secondsToReady(cluster: Cluster, node: string): Promise<number> {
  const text = await exec(cluster.container(node, "steward"), ["/usr/lib/homespan/stage"]);
  const { stages } = JSON.parse(text) as StageFile;
  const time = (stage: string, at: "startedAt" | "finishedAt"): number =>
    Date.parse(stages.find(({ name }) => name === stage)?.[at] ?? "");
  const seconds = (time("ready", "finishedAt") - time("tailnet", "startedAt")) / 1000;
  if (!(seconds > 0)) throw new Error(`${node} has not been ready: ${text}`);
  return seconds;
}
