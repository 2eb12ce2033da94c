/** XML as our own drawings have it. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Reads XML of elements, attributes and text, and nothing else. @throws Error where it is not well-formed. */
export function readXml(xml: string): readonly Element[] {
  const open: string[] = [];
  const elements: Element[] = [];
  let rest = xml.trim();
  while (rest !== "") {
    const tag = /^<(\/?)([a-z]+)((?: [\w-]+(?::[\w-]+)?="[^"<&]*")*)(\/?)>([^<]*)/.exec(rest);
    if (tag === null) throw new Error(`no tag at: ${rest.slice(0, 80)}`);
    const [whole, closing = "", name = "", attributes = "", alone = "", text = ""] = tag;
    if (/&(?!(?:amp|lt|gt);)/.test(text)) throw new Error(`a bare & in: ${text}`);
    if (closing === "/" && open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    if (closing === "") {
      const pairs = [...attributes.matchAll(/ ([\w:-]+)="([^"]*)"/g)];
      elements.push({
        name,
        text,
        attributes: Object.fromEntries(pairs.map(([, key = "", value = ""]) => [key, value])),
      });
      if (alone === "") open.push(name);
    }
    rest = rest.slice(whole.length);
    if (open.length === 0 && rest !== "") throw new Error(`more than one root: ${rest.slice(0, 80)}`);
  }
  if (open.length > 0) throw new Error(`never closed: ${open.join(", ")}`);
  return elements;
}
