/** The configuration of a stand-in's provider: as strict as that of a resource. */
import { z } from "zod";
import type { Change } from "../../../provider/server/diff.ts";
import { problemsOf } from "../../../provider/server/problems.ts";
import { type Properties, containsUnknown, sameValue, unwrapAll } from "../../../provider/server/values.ts";

/** What Pulumi itself puts beside a provider's own configuration. */
const ENGINE_OWN: readonly string[] = ["version", "pluginDownloadURL", "__internal"];

/** Lists, maps, numbers and booleans reach a provider as JSON in a string. */
function decoded(schema: z.ZodObject, inputs: Properties): Properties {
  const isText = (name: string): boolean => {
    const field: unknown = schema.shape[name];
    return field === undefined || (field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodString);
  };
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [
      name,
      typeof value === "string" && !isText(name) ? parsed(value) : value,
    ]),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function ownOf(inputs: Properties): Properties {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => !ENGINE_OWN.includes(name)));
}

/** The configuration with its types, unchecked: what `checkedConfig` found no problem with. */
export function decodedConfig(schema: z.ZodObject, raw: Properties): Properties {
  return decoded(schema, ownOf(unwrapAll(raw)));
}

/** Problems with a provider's configuration; what is unknown yet is no problem. */
export function configProblems(schema: z.ZodObject, raw: Properties): readonly string[] {
  return problemsOf(schema, ownOf(raw), decodedConfig(schema, raw));
}

/** Changes of a provider's configuration. */
export function configChanges(
  olds: Properties,
  news: Properties,
  replaceOn: readonly string[],
): readonly Change[] {
  const [before, after] = [ownOf(unwrapAll(olds)), ownOf(unwrapAll(news))];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => !sameValue(before[name], after[name]) || containsUnknown(after[name]))
    .sort()
    .map((name): Change => {
      const kind = before[name] === undefined ? "add" : after[name] === undefined ? "delete" : "update";
      return { path: name, kind, replace: kind === "update" && replaceOn.includes(name), input: true };
    });
}
