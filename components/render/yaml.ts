import { stringify } from "yaml";

/** What a configuration file can hold. */
export type ConfigValue =
  string | number | boolean | readonly ConfigValue[] | { readonly [key: string]: ConfigValue };

/**
 * YAML with its keys sorted at every level, so that the same data always gives the same bytes: the checksum of these
 * bytes decides whether a daemon is restarted.
 */
export function renderYaml(data: Readonly<Record<string, ConfigValue>>, header: string): string {
  const comment = header
    .split("\n")
    .map((line) => `# ${line}\n`)
    .join("");
  return comment + stringify(data, { sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false });
}
