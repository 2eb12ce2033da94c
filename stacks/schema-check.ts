/** From the text Pulumi hands over to checked fields, or to all that is wrong with them at once. Pure. */
import type { z } from "zod";
import type { StackSettings } from "./config.ts";
import { fieldPath, type Problem } from "./grammar.ts";

/** A rule that joins several fields. */
export interface Rule<Fields> {
  /** Fields that must be right by themselves before this rule says anything. */
  readonly needs: readonly (keyof Fields & string)[];
  readonly check: (fields: Fields, settings: GivenSettings) => Problem[];
}

/** What was given, for rules that ask whether something was. */
export type GivenSettings = Pick<StackSettings, "stackName" | "values">;

/** What a stack's configuration looks like. */
export interface Schema<Fields> {
  /** One entry per key of the namespace; a key that is none of these is an error. */
  readonly fields: Readonly<Record<keyof Fields & string, z.ZodType>>;
  /** Keys whose text is taken as it is; the others hold JSON. */
  readonly textKeys: readonly string[];
  readonly rules: readonly Rule<Fields>[];
  /** Keys of the strict object at a path below the top level. */
  readonly keysAt: (path: readonly PropertyKey[], value: unknown) => readonly string[];
}

/** The fields exactly when there are no problems. */
export function checkFields<Fields>(
  schema: Schema<Fields>,
  settings: GivenSettings,
): { fields: Fields | undefined; problems: Problem[] } {
  const raw: Record<string, unknown> = {
    clusterName: settings.stackName,
    ...decode(settings.values, schema.textKeys),
  };
  const problems = unknownKeys([], Object.keys(raw), Object.keys(schema.fields));
  const valid = new Map<string, unknown>();
  for (const [key, field] of Object.entries<z.ZodType>(schema.fields)) {
    const result = field.safeParse(raw[key]);
    if (result.success) valid.set(key, result.data);
    else
      problems.push(...result.error.issues.flatMap((issue) => problemsOf(issue, [key], raw, schema.keysAt)));
  }
  const fields = Object.fromEntries(valid) as unknown as Fields;
  const rules = schema.rules.filter((rule) => rule.needs.every((key) => valid.has(key)));
  problems.push(...rules.flatMap((rule) => rule.check(fields, settings)));
  return { fields: problems.length === 0 ? fields : undefined, problems };
}

/** Pulumi hands over everything as text; what is no JSON stays text, and its rule says what it must be. */
function decode(
  values: Readonly<Record<string, string>>,
  textKeys: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, textKeys.includes(key) ? value : parseJson(value)]),
  );
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/**
 * What is wrong, in the words of the grammar.
 *
 * @param base where the schema that found the issue stands
 */
export function problemsOf(
  issue: z.core.$ZodIssue,
  base: readonly PropertyKey[],
  raw: unknown,
  keysAt: Schema<never>["keysAt"],
): Problem[] {
  const path = [...base, ...issue.path];
  const field = fieldPath(path);
  const value = valueAt(raw, path);
  const got = value === undefined ? {} : { got: value };
  switch (issue.code) {
    case "unrecognized_keys":
      return unknownKeys(path, issue.keys, keysAt(path, value));
    case "invalid_key":
      return issue.issues.map((inner) => ({ field, rule: inner.message, got: path.at(-1) }));
    case "invalid_value":
      return [{ field, rule: issue.message, ...got, candidates: issue.values.map(String) }];
    case "invalid_union": {
      const meant = issue.errors.find((inner) => inner.some(isInside));
      return meant === undefined
        ? [{ field, rule: issue.message, ...got }]
        : meant.flatMap((inner) => problemsOf(inner, path, raw, keysAt));
    }
    default:
      return [{ field, rule: issue.message, ...got }];
  }
}

/** An alternative was meant when what is wrong lies inside the value, not in its kind. */
function isInside(issue: z.core.$ZodIssue): boolean {
  return issue.path.length > 0 || issue.code === "unrecognized_keys";
}

function unknownKeys(
  path: readonly PropertyKey[],
  found: readonly string[],
  known: readonly string[],
): Problem[] {
  return found
    .filter((key) => !known.includes(key))
    .map((key) => ({
      field: fieldPath([...path, key]),
      rule: `be one of the keys ${known.join(", ")}`,
      got: key,
      candidates: known,
    }));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : inner,
    value,
  );
}
