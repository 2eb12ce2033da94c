/** What decides whether an installed tool is still the pinned one. */
import { createHash } from "node:crypto";
import type { Platform, ToolPin } from "./pin-types.ts";
import type { Machine } from "./types.ts";

/** Where a tool can be made from. */
export type MakeSource = "download" | "modules";

/** JSON with sorted keys: the same data gives the same text however it was written down. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (part === null || typeof part !== "object" || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

export function platformOf(machine: Pick<Machine, "platform" | "arch">): Platform {
  return `${machine.platform}/${machine.arch}`;
}

/** True when the pin says how to get the tool from this source on this platform. */
export function offers(pin: ToolPin, source: MakeSource, platform: Platform): boolean {
  return source === "download"
    ? pin.download?.platforms[platform] !== undefined
    : (pin.modules?.platforms.includes(platform) ?? false);
}

/**
 * Names the folder of a tool made from `source`: everything that changes the result is in it, and nothing else
 * (the purpose, the expected time or another platform's URL do not rebuild anything).
 */
export function recipeHash(pin: ToolPin, source: MakeSource, platform: Platform): string {
  const recipe =
    source === "download"
      ? {
          version: pin.download?.version,
          archive: pin.download?.archive,
          files: pin.download?.files,
          from: pin.download?.platforms[platform],
        }
      : { version: pin.modules?.version, sets: pin.modules?.sets };
  return createHash("sha256")
    .update(stableJson({ name: pin.name, source, platform, recipe }))
    .digest("hex")
    .slice(0, 16);
}

/** Compares dotted versions by number: negative when `a` is older. Suffixes after `-` or `+` do not count. */
export function compareVersions(a: string, b: string): number {
  const numbers = (version: string): number[] =>
    (/\d+(?:\.\d+)*/.exec(version)?.[0] ?? "0").split(".").map(Number);
  const left = numbers(a);
  const right = numbers(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
