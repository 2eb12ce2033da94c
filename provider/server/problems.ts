/** Input problems in the project's one grammar: `field` must <rule>, got <value>; did you mean <x>? */
import { z } from "zod";
import { editDistance } from "../../components/render/edit-distance.ts";
import { type Properties, UNKNOWN, containsSecret, containsUnknown, isRecord } from "./values.ts";

/** `nodes[2].name`, `files["boot/ca.pem"]`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${String(part)}]`;
    const name = String(part);
    if (!/^[A-Za-z_$][\w$]*$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => {
    if (Array.isArray(value) && typeof part === "number") return value[part] as unknown;
    return isRecord(value) ? value[String(part)] : undefined;
  }, root);
}

/** The name nearest to a wrong one, as `; did you mean "x"?`, or nothing when none is near. */
export function suggestion(wrong: string, known: readonly string[]): string {
  const best = known
    .map((name) => ({ name, d: editDistance(wrong.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.d - b.d)[0];
  return best !== undefined && best.d <= Math.max(2, Math.floor(wrong.length / 3))
    ? `; did you mean ${JSON.stringify(best.name)}?`
    : "";
}

/** The property names a schema knows at a path. */
function namesAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): readonly string[] {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) {
    return namesAt(schema.unwrap(), path);
  }
  // Which of the alternatives is meant shows in nothing but the names themselves.
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => namesAt(option, path));
  const [first, ...rest] = path;
  if (schema instanceof z.ZodObject) {
    if (first === undefined) return Object.keys(schema.shape);
    const field = (schema.shape as Readonly<Record<string, z.core.$ZodType>>)[String(first)];
    return field === undefined ? [] : namesAt(field, rest);
  }
  if (first === undefined) return [];
  if (schema instanceof z.ZodArray) return namesAt(schema.element, rest);
  return schema instanceof z.ZodRecord ? namesAt(schema.valueType, rest) : [];
}

function rule(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `be ${/^[aeiou]/.test(issue.expected) ? "an" : "a"} ${issue.expected}`;
    case "invalid_value":
      return `be one of ${issue.values.map((v) => JSON.stringify(v)).join(", ")}`;
    case "too_small":
      return `be at least ${String(issue.minimum)}${issue.origin === "number" || issue.origin === "int" ? "" : " long"}`;
    case "too_big":
      return `be at most ${String(issue.maximum)}${issue.origin === "number" || issue.origin === "int" ? "" : " long"}`;
    case "invalid_format":
      return issue.format === "starts_with" && "prefix" in issue
        ? `start with ${JSON.stringify(issue.prefix)}`
        : `be a valid ${issue.format}`;
    default:
      return `be right: ${issue.message}`;
  }
}

function gotText(value: unknown, secret: boolean): string {
  if (value === undefined) return "got nothing";
  if (secret) return "got a secret value that is not shown";
  const text = JSON.stringify(value);
  return `got ${text.length > 120 ? `${text.slice(0, 117)}...` : text}`;
}

/** All problems of one set of inputs, as sentences; values that are still unknown are no problem. */
export function problemsOf(schema: z.ZodObject, raw: Properties, plain: Properties): readonly string[] {
  const parsed = schema.safeParse(plain);
  if (parsed.success) return [];
  return parsed.error.issues.flatMap((issue): string[] => {
    if (issue.code === "unrecognized_keys") {
      const known = namesAt(schema, issue.path);
      return issue.keys.map(
        (key) =>
          `\`${pathText([...issue.path, key])}\` must be a known property, got an unknown name${suggestion(key, known)}`,
      );
    }
    const value = valueAt(plain, issue.path);
    if (value === UNKNOWN || containsUnknown(value)) return [];
    const secret = containsSecret(raw[String(issue.path[0])]);
    const text = issue.message.startsWith("must ") ? issue.message : `must ${rule(issue)}`;
    return [`\`${pathText(issue.path)}\` ${text}, ${gotText(value, secret)}`];
  });
}
