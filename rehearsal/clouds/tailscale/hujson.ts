/** JSON with comments and trailing commas, the form of Tailscale's policy files. https://github.com/tailscale/hujson */

interface Token {
  readonly kind: "space" | "comment" | "string" | "mark" | "word";
  readonly text: string;
}

const TOKEN =
  /(?<space>\s+)|(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<string>"(?:[^"\\\n]|\\.)*")|(?<mark>[{}[\],:])|(?<word>[^\s{}[\],:"/]+)/y;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    const entry = Object.entries(groups ?? {}).find(
      ([, value]) => (value as string | undefined) !== undefined,
    );
    if (entry === undefined) throw new SyntaxError(`invalid HuJSON at ${place(text, from)}`);
    found.push({ kind: entry[0] as Token["kind"], text: entry[1] });
  }
  return withoutTrailingCommas(found);
}

function withoutTrailingCommas(all: readonly Token[]): Token[] {
  return all.map((token, index) => {
    if (token.text !== ",") return token;
    const next = all.slice(index + 1).find(({ kind }) => kind !== "space" && kind !== "comment");
    return next?.text === "}" || next?.text === "]" ? { kind: "space", text: " " } : token;
  });
}

function place(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `line ${String(before.length)}, column ${String((before.at(-1) ?? "").length + 1)}`;
}

/**
 * The value a HuJSON text stands for.
 *
 * @throws SyntaxError that says where
 */
export function parseHujson(text: string): unknown {
  // Every character keeps its place, so that places in an error of JSON.parse are right.
  const standard = tokens(text)
    .map(({ kind, text: part }) => (kind === "comment" ? part.replaceAll(/[^\n]/g, " ") : part))
    .join("");
  try {
    return JSON.parse(standard) as unknown;
  } catch (error) {
    const words = error instanceof Error ? error.message : "";
    const offset = /at position (\d+)/.exec(words)?.[1];
    // Where JSON.parse shows the text itself, it tells no place.
    const where =
      offset === undefined ? `: ${words.replaceAll(/\s+/g, " ")}` : ` at ${place(text, Number(offset))}`;
    throw new SyntaxError(`invalid HuJSON${where}`, { cause: error });
  }
}

/** True when two texts differ in layout alone: such a change is none, also when one of them does not parse. */
export function sameHujson(a: string, b: string): boolean {
  if (a === b) return true;
  try {
    return essence(a) === essence(b);
  } catch {
    return false;
  }
}

/** All that hujson's formatter keeps. */
function essence(text: string): string {
  parseHujson(text);
  return tokens(text)
    .filter(({ kind }) => kind !== "space")
    .map((token) => token.text.trim())
    .join("\n");
}
