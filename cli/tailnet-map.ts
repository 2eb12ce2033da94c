/** Sites as boxes, their nodes in them, and a line for each pair: an SVG. Pure; the same report gives the same bytes. */
import {
  layOut,
  letterWidth,
  lineHeight,
  margin,
  nodeHeight,
  nodeLines,
  nodePadding,
  round,
  wayOf,
} from "./tailnet-map-layout.ts";
import type { Box, Layout, Link, Placed, Point } from "./tailnet-map-layout.ts";
import { milliseconds, rateText } from "./tailnet-paths-text.ts";
import { pairsOf, pairWarnings } from "./tailnet-paths.ts";
import type { NodePair, NodePath, PathsReport } from "./tailnet-paths.ts";

const dashes = { direct: "", relay: ' stroke-dasharray="8 5"', none: ' stroke-dasharray="2 5"' } as const;
const colors = { text: "#1f2328", faint: "#59636e", direct: "#1a7f37", relay: "#9a6700", wrong: "#cf222e" };

/** Of a letter of the title, about. */
const titleLetter = 10.6;
const legendStep = 150;
const legendWidth = 2 * legendStep + 100;

export function pathsMap(stack: string, report: PathsReport): string {
  const links = linksOf(report);
  const layout = layOut(report.nodes, links);
  const { boxes, placed, width: inner, height: drawn } = layout;
  const warnings = report.warnings.map((warning, index) =>
    text({ x: margin, y: drawn + 44 + index * 18 }, warning, `fill="${colors.wrong}" font-size="12"`),
  );
  const title = `How the nodes of ${stack} reach each other`;
  const widest = Math.max(
    ...[inner, title.length * titleLetter + 2 * margin, legendWidth + 2 * margin],
    ...report.warnings.map(({ length }) => length * 6.8 + 2 * margin),
  );
  const [width, height] = [round(widest), round(drawn + 44 + warnings.length * 18 + 8)];
  const parts = links.map((link) => drawLink(link, layout));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="Helvetica, Arial, sans-serif">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text({ x: margin, y: 30 }, title, `fill="${colors.text}" font-size="18" font-weight="bold"`),
    ...boxes.map(drawBox),
    ...parts.map(({ line }) => line),
    ...[...placed.values()].map((node) => drawNode(node, layout.nodeWidth)),
    ...parts.map(({ label }) => label),
    ...legend({ x: margin, y: drawn + 16 }),
    ...warnings,
    "</svg>",
    "",
  ].join("\n");
}

/** One link for each two nodes of which at least one could be asked. */
function linksOf({ paths, throughput }: PathsReport): readonly Link[] {
  const byPair = new Map<string, NodePair[]>();
  for (const pair of pairsOf(paths)) {
    const [{ from, to, path }] = pair.directions;
    if (path === "unknown") continue;
    const key = [from, to].sort().join(" ");
    byPair.set(key, [...(byPair.get(key) ?? []), pair]);
  }
  return [...byPair.values()].flatMap((pairs) => {
    const [first] = pairs;
    if (first === undefined) return [];
    const [{ from, to }] = first.directions;
    const looks = pairs.map(({ directions: [{ path }] }) => path);
    const rate = throughput.find(
      (it) => (it.from === from && it.to === to) || (it.from === to && it.to === from),
    );
    const words = pairs.map(({ directions: [direction, back], roundTripMilliseconds: time }) =>
      back === undefined ? `to ${direction.to}: ${describe(direction, time)}` : describe(direction, time),
    );
    return [
      {
        ...{ from, to },
        label: rate === undefined ? words : [...words, rateText(rate)],
        look: looks.includes("none") ? "none" : looks.includes("relay") ? "relay" : "direct",
        wrong: pairs.some((pair) => pairWarnings(pair).length > 0),
      },
    ];
  });
}

function describe({ path, endpoint = "" }: NodePath, time: number | undefined): string {
  if (path === "none") return "no reply";
  return path === "relay" ? `relay ${endpoint} ${milliseconds(time)}` : milliseconds(time);
}

function drawLink(link: Link, layout: Layout): { readonly line: string; readonly label: string } {
  const ends = [layout.placed.get(link.from), layout.placed.get(link.to)].filter((end) => end !== undefined);
  const [left, right] = ends.sort((a, b) => a.column - b.column || a.index - b.index);
  if (left === undefined || right === undefined) return { line: "", label: "" };
  const way = wayOf(link, left, right, layout);
  const color = link.wrong ? colors.wrong : link.look === "relay" ? colors.relay : colors.direct;
  const line = `<path d="${way.path}" fill="none" stroke="${color}" stroke-width="1.6"${dashes[link.look]}/>`;
  return { line, label: drawLabel(way.middle, link.label, color) };
}

function drawLabel({ x, y }: Point, lines: readonly string[], color: string): string {
  const width = Math.max(...lines.map(({ length }) => length)) * letterWidth + 6;
  const height = lines.length * lineHeight + 2;
  const top = y - height / 2;
  return [
    `<rect x="${round(x - width / 2)}" y="${round(top)}" width="${round(width)}" height="${round(height)}" rx="3" fill="#ffffff"/>`,
    ...lines.map((line, index) =>
      text(
        { x, y: top + 12 + index * lineHeight },
        line,
        `fill="${color}" font-size="11" text-anchor="middle"`,
      ),
    ),
  ].join("\n");
}

function drawBox({ site, x, y, width, height }: Box): string {
  return [
    `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="8" fill="#f6f8fa" stroke="#d1d9e0"/>`,
    text({ x: x + 12, y: y + 20 }, site, `fill="${colors.faint}" font-size="13" font-weight="bold"`),
  ].join("\n");
}

function drawNode({ node, x, y }: Placed, width: number): string {
  const silent = node.problem !== undefined;
  const [left, color] = [x + nodePadding, silent ? colors.wrong : colors.faint];
  return [
    `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${nodeHeight}" rx="6" fill="#ffffff" stroke="${color}"/>`,
    text({ x: left, y: y + 20 }, node.name, `fill="${colors.text}" font-size="13" font-weight="bold"`),
    ...nodeLines(node).map((line, index) =>
      text({ x: left, y: y + 36 + index * lineHeight }, line, `fill="${color}" font-size="11"`),
    ),
  ].join("\n");
}

function legend({ x, y }: Point): readonly string[] {
  const samples = [
    { words: "direct", look: "direct", color: colors.direct },
    { words: "through a relay", look: "relay", color: colors.relay },
    { words: "no reply", look: "none", color: colors.wrong },
  ] as const;
  return samples.flatMap(({ words, look, color }, index) => {
    const left = x + index * legendStep;
    return [
      `<path d="M${round(left)} ${round(y)} h32" stroke="${color}" stroke-width="1.6"${dashes[look]}/>`,
      text({ x: left + 40, y: y + 4 }, words, `fill="${colors.faint}" font-size="11"`),
    ];
  });
}

function text({ x, y }: Point, words: string, attributes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  // XML allows no control characters, not even escaped.
  return words.replaceAll(/[^ -\uFFFD]/g, " ").replaceAll(/[&<>]/g, (sign) => entities[sign] ?? sign);
}
