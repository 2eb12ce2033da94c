/** The one grammar of configuration errors: `field` must <rule>, got <value>; did you mean <x>? */
import { editDistance } from "../components/render/edit-distance.ts";

export interface Problem {
  /** Path of the field, in the user's words: `nodes.agent-1.labels`. */
  readonly field: string;
  /** Completes "must". */
  readonly rule: string;
  /** What was given; left out where there is nothing to show. */
  readonly got?: unknown;
  /** Values that would be right, to find the nearest of. */
  readonly candidates?: readonly string[];
}

/** One line of the grammar. */
export function formatProblem(problem: Problem): string {
  const got = "got" in problem ? `, got ${JSON.stringify(problem.got)}` : "";
  const near = typeof problem.got === "string" ? nearest(problem.got, problem.candidates ?? []) : undefined;
  const hint = near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`;
  return `\`${problem.field}\` must ${problem.rule}${got}${hint}`;
}

/** The candidate that a typing error would make of `word`; undefined when none is close. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const [best] = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.ceil(candidate.length / 3))
    .sort((a, b) => a.distance - b.distance);
  return best?.candidate;
}

/** A path in the words of the configuration: `nodes.agent-1.taints[0]`, `labels["a b"]`. */
export function fieldPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") {
        return `[${String(part)}]`;
      }
      const word = String(part);
      const plain = /^[A-Za-z][-A-Za-z0-9]*\+?$/.test(word);
      return plain ? (index === 0 ? word : `.${word}`) : `[${JSON.stringify(word)}]`;
    })
    .join("");
}

/** `a, b or c`. */
export function alternatives(values: readonly (string | number)[]): string {
  const words = values.map(String);
  const last = words.pop() ?? "";
  return words.length === 0 ? last : `${words.join(", ")} or ${last}`;
}
