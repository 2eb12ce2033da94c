/** `--set key=value` in Pulumi's own path syntax, and the config file of one stack. Pure. */
import { parse, stringify } from "yaml";
import { InputError } from "./errors.ts";

/** A Pulumi stack file, as far as it is used here. */
export interface StackFile {
  config: Record<string, unknown>;
  encryptionsalt?: string;
  [key: string]: unknown;
}

const namespace = "homespan";

export function parseStackFile(text: string, name: string): StackFile {
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch (error) {
    throw new InputError(`${name} must be YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (parsed === null || parsed === undefined) return { config: {} };
  if (!isRecord(parsed)) throw new InputError(`${name} must hold a mapping with the key config`);
  const { config, encryptionsalt, ...rest } = parsed;
  if (config !== undefined && config !== null && !isRecord(config)) {
    throw new InputError(`${name}: \`config\` must be a mapping`);
  }
  return {
    ...rest,
    config: config ?? {},
    ...(typeof encryptionsalt === "string" ? { encryptionsalt } : {}),
  };
}

export function renderStackFile(file: StackFile): string {
  return stringify(file);
}

/**
 * The file with the settings applied over it, in order.
 *
 * `agents=3` sets `homespan:agents`; `nodes.agent-1.labels["example.com/rack"]=a` reaches into a mapping; `other:key=value`
 * another namespace. Values are YAML: `disable=[traefik, servicelb]`; `join=null` takes a key of the file away.
 */
export function applySettings(file: StackFile, settings: readonly string[]): StackFile {
  const config = structuredClone(file.config);
  for (const setting of settings) {
    const { key, path, value } = parseSetting(setting);
    if (path.length === 0 && value === null) Reflect.deleteProperty(config, key);
    else if (path.length === 0) config[key] = value;
    else config[key] = setPath(config[key], path, value ?? "", setting);
  }
  return { ...file, config };
}

function parseSetting(setting: string): { key: string; path: readonly string[]; value: unknown } {
  const match = /^((?:[^=["]|\["[^"]*"\]|\[\d+\])+)=(.*)$/s.exec(setting);
  const target = match?.[1];
  const text = match?.[2];
  if (target === undefined || text === undefined) {
    throw new InputError(`\`--set\` must be key=value, got "${setting}"`);
  }
  const [first, ...path] = segments(target, setting);
  if (first === undefined || first === "") {
    throw new InputError(`\`--set\` must start with a config key, got "${setting}"`);
  }
  let value: unknown;
  try {
    // Nothing is what an unset variable of a shell leaves, and no wish to do without.
    value = text.trim() === "" ? "" : parse(text);
  } catch {
    value = text;
  }
  return { key: first.includes(":") ? first : `${namespace}:${first}`, path, value };
}

function segments(target: string, setting: string): string[] {
  const result: string[] = [];
  const token = /([^.["\]]+)|\["([^"]*)"\]|\[(\d+)\]|\./gy;
  while (token.lastIndex < target.length) {
    const match = token.exec(target);
    if (match === null) throw new InputError(`\`--set\` must be a path like a.b["c.d"][0], got "${setting}"`);
    const segment = match[1] ?? match[2] ?? match[3];
    if (segment !== undefined) result.push(segment);
  }
  return result;
}

function setPath(target: unknown, path: readonly string[], value: unknown, setting: string): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  if (Array.isArray(target)) {
    const index = Number(head);
    if (!Number.isInteger(index) || index > target.length) {
      throw new InputError(
        `\`--set ${setting}\` must name an element 0 to ${String(target.length)}, got "${head}"`,
      );
    }
    const copy: unknown[] = [...(target as readonly unknown[])];
    copy[index] = setPath(copy[index], rest, value, setting);
    return copy;
  }
  const record = isRecord(target) ? target : {};
  return { ...record, [head]: setPath(record[head], rest, value, setting) };
}

/** What differs between two files, as `agents: 3 -> 2`; keys without the project's own namespace in front. */
export function describeDifferences(before: StackFile, after: StackFile): string[] {
  const keys = new Set([...Object.keys(before.config), ...Object.keys(after.config)]);
  return [...keys]
    .sort()
    .map((key) => ({ key, old: show(before.config[key]), now: show(after.config[key]) }))
    .filter(({ old, now }) => old !== now)
    .map(({ key, old, now }) => `${key.replace(`${namespace}:`, "")}: ${old} -> ${now}`);
}

/** One config value of the project's namespace; a number written as text counts as one. */
export function settingOf(file: StackFile, key: string): unknown {
  return file.config[`${namespace}:${key}`];
}

/** What Pulumi encrypted, with the salt of its file and the passphrase of its time: with others it is of no use. */
export function isEncrypted(value: unknown): boolean {
  return isRecord(value) && "secure" in value;
}

export function holdsSecrets({ config }: StackFile): boolean {
  return Object.values(config).some(isEncrypted);
}

/** The stack whose cluster this one joins: `lightsail`, also where organization and project are named. */
export function joinedStack(file: StackFile): string | undefined {
  const join = settingOf(file, "join");
  return typeof join === "string" && join !== "" ? join.split("/").at(-1) : undefined;
}

/** Pulumi writes 3 back as "3": to it, and here, they are the same. */
function show(value: unknown): string {
  if (value === undefined) return "(default)";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
