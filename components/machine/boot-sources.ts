/** The files of this project that a machine gets, as they are on this disk. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { bootFiles, bootRevision } from "../render/machine-files.ts";
import { userDataSources } from "../render/user-data.ts";

function text(source: string): string {
  return readFileSync(new URL(`../../${source}`, import.meta.url), "utf8");
}

/** Path in this project -> content. */
export function sourceTexts(sources: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(sources.map((source) => [source, text(source)]));
}

/** What `renderUserData` needs the content of. */
export const userDataTexts: Readonly<Record<string, string>> = sourceTexts(userDataSources);

/** All boot files, for a machine that gets them with its first configuration. */
export const bootTexts: Readonly<Record<string, string>> = sourceTexts(bootFiles.map(({ source }) => source));

/** Which boot files this version of Homespan has, in one word. */
export const ownBootRevision: string = bootRevision(
  Object.fromEntries(
    bootFiles.map(({ source, path }) => [
      path,
      createHash("sha256")
        .update(bootTexts[source] ?? "")
        .digest("hex"),
    ]),
  ),
);
