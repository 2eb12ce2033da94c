/** What changed between a resource's state and its new inputs, named property by property. */
import { pathText } from "./problems.ts";
import { type Properties, containsUnknown, isRecord, sameValue } from "./values.ts";

export type ChangeKind = "add" | "delete" | "update";

/** One changed property. */
export interface Change {
  /** Property path, `labels["a/b"]`. */
  readonly path: string;
  readonly kind: ChangeKind;
  /** True when the change forces a new object. */
  readonly replace: boolean;
  /** False when an output (found by `read`) differs from what it has to be. */
  readonly input: boolean;
}

/** Which inputs replace and which are used at creation alone. */
export interface DiffRules {
  readonly inputs: readonly string[];
  /** Names of inputs, or what is one level below one: `tailnet.url`. */
  readonly replaceOn: readonly string[];
  readonly createOnly: readonly string[];
}

function kindOf(before: unknown, after: unknown): ChangeKind {
  if (before === undefined) return "add";
  return after === undefined ? "delete" : "update";
}

/** Changed leaves, at most one level below a top-level property: that names a label or a file. */
function leaves(name: string, before: unknown, after: unknown): { path: string; kind: ChangeKind }[] {
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys
      .filter((key) => !sameValue(before[key], after[key]) || containsUnknown(after[key]))
      .map((key) => ({ path: pathText([name, key]), kind: kindOf(before[key], after[key]) }));
  }
  return [{ path: name, kind: kindOf(before, after) }];
}

/** An input that changes as a whole, or is not known yet, may change in any part. */
function replaces({ replaceOn }: DiffRules, name: string, path: string): boolean {
  return replaceOn.some(
    (rule) => rule === name || rule === path || (path === name && rule.startsWith(`${name}.`)),
  );
}

/**
 * Compares inputs; an unknown new value counts as a change, because it comes from a resource that is itself going
 * to change.
 */
export function inputChanges(rules: DiffRules, state: Properties, news: Properties): readonly Change[] {
  return rules.inputs
    .filter((name) => !rules.createOnly.includes(name))
    .filter((name) => !sameValue(state[name], news[name]) || containsUnknown(news[name]))
    .flatMap((name) =>
      leaves(name, state[name], news[name]).map((leaf): Change => ({
        ...leaf,
        replace: replaces(rules, name, leaf.path),
        input: true,
      })),
    );
}
