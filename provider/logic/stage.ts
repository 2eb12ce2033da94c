/** The stages a node's boot sequence leaves in stage.json, and what they say when a wait was in vain. */

/** One stage: tailnet, address, artifacts, config, k3s, ready. */
export interface Stage {
  readonly name: string;
  readonly state: "waiting" | "running" | "done" | "failed";
  readonly startedAt?: string;
  readonly attempts: number;
  readonly error?: string;
}

const STATES = ["waiting", "running", "done", "failed"] as const;

function parseStage(raw: unknown): readonly Stage[] {
  if (typeof raw !== "object" || raw === null) return [];
  const { name, state, attempts, error, startedAt } = raw as Record<string, unknown>;
  const known = STATES.find((candidate) => candidate === state);
  if (typeof name !== "string" || known === undefined) return [];
  return [
    {
      name,
      state: known,
      attempts: typeof attempts === "number" ? attempts : 0,
      ...(typeof error === "string" && error !== "" ? { error } : {}),
      ...(typeof startedAt === "string" ? { startedAt } : {}),
    },
  ];
}

/** The stages of a stage.json, or `undefined` when the text is none. */
export function parseStages(text: string): readonly Stage[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const list = (parsed as { stages?: unknown } | null)?.stages;
    return Array.isArray(list) ? list.flatMap(parseStage) : undefined;
  } catch {
    return undefined;
  }
}

/** True once the node was seen Ready by its own boot sequence. */
export function isReady(stages: readonly Stage[] | undefined): boolean {
  return stages?.some((stage) => stage.name === "ready" && stage.state === "done") ?? false;
}

/** True when k3s is stopped on purpose there: `stage_pause` of the boot sequence. */
export function isStopped(stages: readonly Stage[] | undefined): boolean {
  return (
    stages?.some(
      ({ name, state, error = "" }) =>
        name === "k3s" && state === "waiting" && error.startsWith("stopped on purpose"),
    ) ?? false
  );
}

/** Half a sentence that names the stage a node is stuck in. */
export function stuckText(stages: readonly Stage[] | undefined, now: number): string {
  if (stages === undefined) return "the node itself does not answer";
  if (stages.length === 0) return "its boot sequence has not begun";
  const stuck = stages.find((s) => s.state === "failed") ?? stages.find((s) => s.state !== "done");
  if (stuck === undefined) return "all its boot stages are done";
  const started = stuck.startedAt === undefined ? Number.NaN : Date.parse(stuck.startedAt);
  const since = Number.isNaN(started) ? "" : ` for ${String(Math.round((now - started) / 1000))} s`;
  const tries = stuck.attempts > 1 ? `, ${String(stuck.attempts)} attempts` : "";
  return `stage \`${stuck.name}\` is ${stuck.state}${since}${tries}${stuck.error === undefined ? "" : `: ${stuck.error}`}`;
}
