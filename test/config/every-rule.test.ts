/** No rule without a fixture: what the schemas say is looked for in what the fixtures expect. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { z } from "zod";
import { ciFields, textKeys } from "../../stacks/ci-schema.ts";
import { kindOf } from "../../stacks/home-schema.ts";
import { homelabFields, homelabTextKeys } from "../../stacks/homelab-schema.ts";
import { lightsailFields, lightsailTextKeys } from "../../stacks/lightsail-schema.ts";
import { isTold, rulesOf, type SchemaRule } from "./rules-of.ts";

/** What the fixtures of a folder expect. */
function expected(folder: string): string[] {
  const url = new URL(folder, import.meta.url);
  return readdirSync(url).map((file) => {
    const text = readFileSync(new URL(file, url), "utf8");
    return /^# [a-z0-9-]+: (.*)$/m.exec(text)?.[1] ?? "";
  });
}

const ofCi = expected("invalid/");
const ofAll = [...ofCi, ...expected("lightsail/invalid/"), ...expected("homelab/invalid/")];

const rulesIn = (fields: Readonly<Record<string, z.ZodType>>, texts: readonly string[]): SchemaRule[] =>
  Object.entries(fields).flatMap(([key, field]) => rulesOf(key, field, texts.includes(key)));

const words = ({ path, rule }: SchemaRule): string => `${path.join(".")}: ${rule}`;

test("every rule of the ci stack's fields has a fixture of the field it is about", () => {
  const rules = rulesIn(ciFields, textKeys);
  expect(rules.length).toBeGreaterThan(30);
  const untold = rules.filter((rule) => !ofCi.some((message) => isTold(rule, message)));
  expect([...new Set(untold.map(words))]).toEqual([]);
});

test.each([
  ["lightsail", rulesIn(lightsailFields, lightsailTextKeys)],
  ["homelab", rulesIn(homelabFields, homelabTextKeys)],
  ["nodes at home", ["vm", "lima", "existing", "coreos"].flatMap(rulesOfKind)],
] as const)("every rule of %s has a fixture of some stack", (_name, rules) => {
  expect(rules.length).toBeGreaterThan(30);
  const untold = rules.filter((rule) => !ofAll.some((message) => isTold(rule, message, true)));
  expect([...new Set(untold.map(words))]).toEqual([]);
});

/** Such a node is judged by a transformation. */
function rulesOfKind(kind: string): readonly SchemaRule[] {
  const schema = kindOf({ [kind]: {} })?.schema;
  return schema === undefined ? [] : rulesOf("agents", schema);
}
