/**
 * Reads the XML that libvirt writes: elements, attributes and text. Not a parser for XML of unknown origin: a document type,
 * which could define entities, is refused.
 */

export interface XmlElement {
  /** Without a namespace's prefix. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
}

interface Open extends XmlElement {
  readonly tag: string;
  readonly children: XmlElement[];
}

/** A comment or a declaration; a tag; an attribute of a tag. https://www.w3.org/TR/xml/#sec-well-formed */
const markup =
  /<!--[^]*?-->|<\?[^]*?\?>|<(\/?)([A-Za-z_][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/g;
const attribute = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/**
 * The root of a document.
 *
 * @throws RangeError for what is no well-formed document, or has a document type
 */
export function readXml(text: string): XmlElement {
  const root: Open = { tag: "", name: "", attributes: {}, children: [] };
  const open: Open[] = [root];
  let end = 0;
  for (const match of text.matchAll(markup)) {
    between(text.slice(end, match.index), open.length > 1);
    end = match.index + match[0].length;
    const [, closes, tag, attributes = "", empty] = match;
    if (tag === undefined) continue;
    if (closes === "/") {
      if (open.length < 2 || open.pop()?.tag !== tag) throw new RangeError(`</${tag}> closes nothing`);
      continue;
    }
    const element: Open = {
      tag,
      name: tag.replace(/^.*:/, ""),
      attributes: attributesOf(attributes),
      children: [],
    };
    open.at(-1)?.children.push(element);
    if (empty !== "/") open.push(element);
  }
  between(text.slice(end), false);
  const [first, ...more] = root.children;
  if (open.length > 1 || first === undefined || more.length > 0) {
    throw new RangeError(
      open.length > 1 ? `<${open.at(-1)?.tag ?? ""}> is not closed` : "there must be one root",
    );
  }
  return first;
}

function between(text: string, inside: boolean): void {
  if (text.includes("<") || (!inside && text.trim() !== "")) {
    throw new RangeError(`no markup: ${JSON.stringify(text.trim().slice(0, 40))}`);
  }
}

function attributesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(attribute)].map(([, name = "", double, single]) => [
      name.replace(/^(?!xmlns).*:/, ""),
      (double ?? single ?? "").replaceAll(/&(\w+);/g, (whole, entity: string) => entities[entity] ?? whole),
    ]),
  );
}
