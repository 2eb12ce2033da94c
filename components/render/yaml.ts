import { Document, Scalar, visit } from "yaml";

/** What a configuration file can hold. */
export type ConfigValue =
  string | number | boolean | readonly ConfigValue[] | { readonly [key: string]: ConfigValue };

/**
 * YAML with its keys sorted at every level, so that the same data always gives the same bytes: the checksum of these
 * bytes decides whether a daemon is restarted.
 *
 * @param quoted texts that are written in double quotes, with escapes, whatever they look like; none by default
 */
export function renderYaml(
  data: Readonly<Record<string, ConfigValue>>,
  header: string,
  quoted?: (text: string) => boolean,
): string {
  const comment = header
    .split("\n")
    .map((line) => `# ${line}\n`)
    .join("");
  const document = new Document(data, { sortMapEntries: true, aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === "string" && quoted?.(node.value) === true) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  // Folded over lines, such a text would not always be read as it was.
  const whole = quoted === undefined ? {} : { doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER };
  return comment + document.toString({ lineWidth: 0, ...whole });
}
