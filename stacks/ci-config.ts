/** From the text Pulumi hands over to the ci stack's settings, or to all that is wrong with it at once. */
import type { z } from "zod";
import { k3sReleaseOf } from "../components/render/k3s-image.ts";
import { images } from "../components/upstream/images.ts";
import type { Datastore } from "../components/upstream/k3s.ts";
import { ciRules } from "./ci-rules.ts";
import { ciFields, textKeys, type CiFields } from "./ci-schema.ts";
import { configurationError, type StackSettings } from "./config.ts";
import { fieldPath, type Problem } from "./grammar.ts";

/** The ci stack's settings with every default filled in. */
export interface CiConfig extends Omit<CiFields, "topology" | "datastore" | "k3sVersion"> {
  readonly datastore: Datastore;
  readonly k3sVersion: string;
}

/**
 * @throws pulumi.RunError naming every problem, in the grammar of stacks/grammar.ts
 */
export function ciConfig(settings: StackSettings): CiConfig {
  const { config, problems } = checkCiConfig(settings);
  if (config === undefined) {
    throw configurationError(settings.stackName, problems);
  }
  return config;
}

/** Pure part of {@link ciConfig}: a configuration exactly when there are no problems. */
export function checkCiConfig(settings: StackSettings): {
  config: CiConfig | undefined;
  problems: Problem[];
} {
  const raw: Record<string, unknown> = { clusterName: settings.stackName, ...decode(settings.values) };
  const keys = Object.keys(ciFields);
  const problems = unknownKeys([], Object.keys(raw), keys);

  const valid = new Map<string, unknown>();
  for (const [key, schema] of Object.entries<z.ZodType>(ciFields)) {
    const result = schema.safeParse(raw[key]);
    if (result.success) {
      valid.set(key, result.data);
    } else {
      problems.push(...result.error.issues.flatMap((issue) => problemsOf(issue, key, raw[key])));
    }
  }
  const fields = Object.fromEntries(valid) as unknown as CiFields;
  const rules = ciRules.filter((rule) => rule.needs.every((key) => valid.has(key)));
  problems.push(...rules.flatMap((rule) => rule.check(fields)));
  return { config: problems.length === 0 ? withDefaults(fields) : undefined, problems };
}

function withDefaults({ topology: _topology, ...fields }: CiFields): CiConfig {
  return {
    ...fields,
    datastore: fields.datastore ?? (fields.servers === 1 ? "sqlite" : "etcd"),
    k3sVersion: fields.k3sVersion ?? k3sReleaseOf(images.k3s),
  };
}

/** Pulumi hands over everything as text; what is no JSON stays text, and its rule says what it must be. */
function decode(values: Readonly<Record<string, string>>): Record<string, unknown> {
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

function problemsOf(issue: z.core.$ZodIssue, key: string, value: unknown): Problem[] {
  const path = [key, ...issue.path];
  const field = fieldPath(path);
  const got = valueAt(value, issue.path);
  switch (issue.code) {
    case "unrecognized_keys":
      return unknownKeys(path, issue.keys, keysAt(key));
    case "invalid_key":
      return issue.issues.map((inner) => ({ field, rule: inner.message, got: path.at(-1) }));
    case "invalid_value":
      return [{ field, rule: issue.message, got, candidates: issue.values.map(String) }];
    default:
      return [{ field, rule: issue.message, got }];
  }
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

/** Keys of the strict objects below the top level. */
function keysAt(key: string): readonly string[] {
  return key === "nodes" ? ["labels", "taints", "kubeletArgs"] : ["server", "agent"];
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : inner,
    value,
  );
}
