/** Words for how far a node got: the failed stage, how long it waited, and what to do. Pure. */
import type { NodeStages } from "./cluster.ts";
import { duration } from "./console.ts";

type Stage = NodeStages["stages"][number];

/** What a user can do about a stage that does not end. */
const fixes: Readonly<Record<string, (node: NodeStages, stage: Stage) => string>> = {
  tailnet: ({ logs }) =>
    `see ${logs.tailscale}; is the control server up, and reachable from the node's network? A key that was spent is replaced by the next up`,
  address: ({ logs }) => `see ${logs.tailscale}`,
  artifacts: ({ logs }) => `see ${logs.boot}; is k3s there, or can the node get it?`,
  config: () => "nobody has written the node's configuration yet: run up again; it goes on where it stopped",
  // Nothing but a stop on purpose has a word for a k3s that was not asked to start yet.
  k3s: ({ logs, start }, { state, error }) =>
    state === "waiting" && error ? `start it: ${start}` : `see ${logs.k3s}`,
  ready: ({ logs }) => `see ${logs.k3s}, and ./homespan kubectl describe node`,
};

export interface StageSummary {
  readonly node: string;
  /** The stage the node is in: the first that is not done; `ready` when all are. */
  readonly stage: string;
  readonly state: "done" | "running" | "waiting" | "failed" | "unknown";
  /** How long it has been in it. */
  readonly waitedMs?: number;
  readonly attempts?: number;
  readonly error?: string;
  readonly fix?: string;
}

export function summarizeStages(node: NodeStages, now: number): StageSummary {
  if (node.problem !== undefined) {
    return {
      node: node.node,
      stage: node.problem.stage ?? "boot",
      state: "failed",
      error: node.problem.error,
      fix: node.problem.fix ?? "run up again: it makes what is missing",
    };
  }
  const current = node.stages.find(({ state }) => state !== "done") ?? node.stages.at(-1);
  if (current === undefined) return { node: node.node, stage: "none", state: "unknown" };
  if (current.state === "done") return { node: node.node, stage: current.name, state: "done" };
  const since = current.startedAt ? Date.parse(current.startedAt) : Number.NaN;
  const fix = fixes[current.name]?.(node, current);
  return {
    node: node.node,
    stage: current.name,
    state: current.state,
    attempts: current.attempts,
    ...(Number.isNaN(since) ? {} : { waitedMs: Math.max(0, now - since) }),
    ...(current.error ? { error: current.error } : {}),
    ...(fix === undefined ? {} : { fix }),
  };
}

/** `agent-1: stage tailnet failed after 42.0 s, 5 attempts: <error>`, and the fix on a second line. */
export function describeStage(summary: StageSummary): string {
  const { node, stage, state, waitedMs, attempts, error, fix } = summary;
  if (state === "done") return `${node}: ready`;
  const time = waitedMs === undefined ? "" : ` ${state === "failed" ? "after" : "for"} ${duration(waitedMs)}`;
  const tries = attempts === undefined || attempts < 2 ? "" : `, ${String(attempts)} attempts`;
  const what = `${node}: stage ${stage} ${state}${time}${tries}${error === undefined ? "" : `: ${error}`}`;
  return fix === undefined ? what : `${what}\n  fix: ${fix}`;
}
