/** Which rules a schema has, by the fields they are about: what every one of them has a fixture is compared with. */
import type { z } from "zod";

/** A rule and where it holds. */
export interface SchemaRule {
  /** Path of the field; `*` is a key of a mapping or an entry of a list. */
  readonly path: readonly string[];
  /** Completes "must". */
  readonly rule: string;
}

/**
 * What one field of a configuration can be refused with, below it too. What a transformation looks at is not seen.
 *
 * @param key the field's
 * @param isText that it is handed over as text, whatever is written: being none is never wrong with it
 */
export function rulesOf(key: string, schema: z.core.$ZodType, isText = false): readonly SchemaRule[] {
  return walk([key], schema, isText);
}

/** @param silent that its kind is somebody else's to say: the alternatives' as a whole, or nobody's */
function walk(path: readonly string[], schema: z.core.$ZodType, silent: boolean): SchemaRule[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const silently = silent && ["string", "object", "array", "union"].includes(def.type);
  const own = [...(silently ? [] : wordsOf(def.error)), ...checksOf(def)].map((rule) => ({ path, rule }));
  const into = (inner: z.core.$ZodType, key?: string): SchemaRule[] =>
    walk(key === undefined ? path : [...path, key], inner, key === undefined && silent);
  switch (def.type) {
    case "default":
    case "prefault":
    case "optional":
      return [...own, ...into(def.innerType)];
    case "pipe":
      return [...own, ...into(def.in), ...into(def.out)];
    case "array":
      return [...own, ...into(def.element, "*")];
    case "record":
      return [...own, ...into(def.keyType, "*"), ...into(def.valueType, "*")];
    case "object":
      return [...own, ...Object.entries(def.shape).flatMap(([key, inner]) => into(inner, key))];
    case "union":
      return [...own, ...def.options.flatMap((option) => walk(path, option, true))];
    case "string":
    case "number":
    case "boolean":
    case "enum":
    case "literal":
    case "undefined":
    case "transform":
    case "unknown":
      return own;
    default:
      throw new Error(`nobody has prepared for ${def.type} at ${path.join(".")}`);
  }
}

function checksOf({ checks = [] }: z.core.$ZodTypeDef): string[] {
  return checks.flatMap((check) => wordsOf(check._zod.def.error));
}

/** Of a mapping, and of what is none: some rules tell these apart. */
function wordsOf(error: unknown): string[] {
  if (typeof error !== "function") return [];
  return [{}, "text"].flatMap((input) => {
    const words: unknown = Reflect.apply(error, undefined, [{ code: "custom", input, path: [] }]);
    return typeof words === "string" ? [words] : [];
  });
}

/**
 * Whether a message, in the grammar of stacks/grammar.ts, is what the rule says of such a field.
 *
 * @param anywhere of whatever field
 */
export function isTold({ path, rule }: SchemaRule, message: string, anywhere = false): boolean {
  const [, field = "", words = ""] = /^`([^`]*)` must (.*)$/.exec(message) ?? [];
  const isRule = words === rule || words.startsWith(`${rule}, got `);
  return isRule && (anywhere || fieldPattern(path).test(field));
}

/** `nodes.agent-1.taints[0]` is a field of `nodes`, `*`, `taints`, `*`. */
function fieldPattern(path: readonly string[]): RegExp {
  const parts = path.map((part, index) => {
    if (part === "*") return String.raw`(\.[^.[\]]+|\[[^\]]*\])`;
    return index === 0 ? part : String.raw`\.${part}`;
  });
  return new RegExp(`^${parts.join("")}$`);
}
