/** Where the map of paths has its sites, nodes, lines and labels. Pure. */
import type { NodePaths } from "./tailnet-paths.ts";

export const nodeHeight = 58;
export const nodePadding = 12;
const padding = 18;
export const margin = 24;
const titleHeight = 44;
const siteTitle = 30;
export const lineHeight = 14;
/** Of a letter of the labels, about: it keeps them apart. */
export const letterWidth = 6.4;

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Where a node is drawn: `index` counts from the top of its site, `column` sites from the left. */
export interface Placed extends Point {
  readonly node: NodePaths;
  readonly column: number;
  readonly index: number;
}

export interface Box {
  readonly site: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly boxes: readonly Box[];
  /** By the node's name. */
  readonly placed: ReadonlyMap<string, Placed>;
  /** Those that pass another site on their way: each has a lane of its own below all sites. */
  readonly lanes: readonly Link[];
  readonly laneOf: (index: number) => number;
  readonly nodeWidth: number;
  /** Width of the widest label. */
  readonly label: number;
  readonly width: number;
  readonly height: number;
}

/** All that is said of one pair. */
export interface Link {
  readonly from: string;
  readonly to: string;
  readonly label: readonly string[];
  readonly look: "direct" | "relay" | "none";
  readonly wrong: boolean;
}

/** How far the line between two nodes of a site that are so many places apart swings out. */
function swing(distance: number, labelWidth: number): number {
  return labelWidth / 2 + 12 + (distance - 1) * (labelWidth + 8);
}

/**
 * Sites from left to right, nodes from top to bottom. Lines within a site swing out to its free side. Between two sites
 * each label has a place of its own: the later its right node comes, the further to the right.
 */
export function layOut(nodes: readonly NodePaths[], links: readonly Link[]): Layout {
  const sites = [...new Set(nodes.map(({ site }) => site))];
  const columns = sites.map((site) => nodes.filter((node) => node.site === site));
  const most = Math.max(1, ...columns.map(({ length }) => length));
  const lines = Math.max(1, ...links.map(({ label }) => label.length));
  const row = Math.max(nodeHeight + 40, (lines * lineHeight + 5) * (most + 1));
  const label = widestLabel(links);
  const nodeWidth = Math.max(...nodes.map(widthOf));
  const placed = new Map<string, Placed>();
  const boxes: Box[] = [];
  let x = margin;
  for (const [column, members] of columns.entries()) {
    const side = members.length > 1 ? swing(members.length - 1, label) + label / 2 : 0;
    const height = siteTitle + (members.length - 1) * row + nodeHeight + padding;
    const y = titleHeight + ((most - members.length) * row) / 2;
    const width = 2 * padding + nodeWidth + side;
    boxes.push({ site: sites[column] ?? "", x, y, width, height });
    const left = x + padding + (column === 0 ? side : 0);
    for (const [index, node] of members.entries()) {
      placed.set(node.name, { node, column, index, x: left, y: y + siteTitle + index * row });
    }
    const next = columns[column + 1]?.length ?? 0;
    x += width + (next > 0 ? (label + 14) * (next + 1) : 0);
  }
  const bottom = Math.max(titleHeight, ...boxes.map((box) => box.y + box.height));
  const lanes = links.filter(({ from, to }) => {
    const [one, other] = [placed.get(from)?.column ?? 0, placed.get(to)?.column ?? 0];
    return Math.abs(one - other) > 1;
  });
  const lane = lines * lineHeight + 6;
  const height = bottom + lanes.length * lane;
  return {
    boxes,
    placed,
    nodeWidth,
    label,
    lanes,
    laneOf: (index) => bottom + (index + 0.5) * lane + 4,
    width: x + margin,
    height,
  };
}

/** What is said of a node below its name. */
export function nodeLines({ problem, tailnetAddress = "", nat, relay }: NodePaths): readonly string[] {
  if (problem !== undefined) return ["does not answer"];
  const words = [nat === undefined ? "" : `NAT: ${nat}`, relay === undefined ? "" : `relay: ${relay}`];
  return [tailnetAddress, words.filter((word) => word !== "").join(", ")];
}

function widthOf(node: NodePaths): number {
  // Names are set larger.
  const letters = [node.name.length * 1.35, ...nodeLines(node).map(({ length }) => length)];
  return Math.max(20, ...letters) * letterWidth + 2 * nodePadding;
}

function widestLabel(links: readonly Link[]): number {
  const letters = links.flatMap(({ label }) => label.map(({ length }) => length));
  return Math.max(8, ...letters) * letterWidth;
}

export interface Way {
  readonly path: string;
  /** Where the label goes. */
  readonly middle: Point;
}

export function wayOf(link: Link, left: Placed, right: Placed, layout: Layout): Way {
  if (left.column === right.column) return within(left, right, layout);
  return layout.lanes.includes(link) ? around(link, left, right, layout) : across(left, right, layout);
}

function within(upper: Placed, lower: Placed, { label, nodeWidth }: Layout): Way {
  const out = swing(lower.index - upper.index, label) * (upper.column === 0 ? -1 : 1);
  const edge = upper.column === 0 ? upper.x : upper.x + nodeWidth;
  const [from, to] = [centre(upper), centre(lower)];
  const middle = (from + to) / 2;
  // A quadratic curve comes half as far as its control point.
  const path = `M${round(edge)} ${round(from)} Q${round(edge + 2 * out)} ${round(middle)} ${round(edge)} ${round(to)}`;
  return { path, middle: { x: edge + out, y: middle } };
}

/** Between neighbouring sites. */
function across(left: Placed, right: Placed, { boxes, placed, nodeWidth }: Layout): Way {
  const [start, end] = [leaving(left, nodeWidth), entering(right)];
  const gap = [rightOf(boxes[left.column]), boxes[right.column]?.x ?? end.x] as const;
  const targets = [...placed.values()].filter(({ column }) => column === right.column);
  const x = gap[0] + ((gap[1] - gap[0]) * (right.index + 1)) / (targets.length + 1);
  const y = start.y + ((end.y - start.y) * (x - start.x)) / (end.x - start.x);
  return { path: polyline([start, end]), middle: { x, y } };
}

/** Below the sites between. */
function around(link: Link, left: Placed, right: Placed, layout: Layout): Way {
  const { boxes, lanes, laneOf, nodeWidth } = layout;
  const y = laneOf(lanes.indexOf(link));
  const [from, to] = [(boxes[left.column + 1]?.x ?? 0) - 12, rightOf(boxes[right.column - 1]) + 12];
  const path = polyline([leaving(left, nodeWidth), { x: from, y }, { x: to, y }, entering(right)]);
  return { path, middle: { x: (from + to) / 2, y } };
}

function leaving(node: Placed, nodeWidth: number): Point {
  return { x: node.x + nodeWidth, y: centre(node) };
}

function entering(node: Placed): Point {
  return { x: node.x, y: centre(node) };
}

function rightOf(box: Box | undefined): number {
  return (box?.x ?? 0) + (box?.width ?? 0);
}

function polyline(points: readonly Point[]): string {
  return `M${points.map(({ x, y }) => `${round(x)} ${round(y)}`).join(" L")}`;
}

function centre({ y }: Placed): number {
  return y + nodeHeight / 2;
}

/** To a tenth, so that the map does not show how numbers are kept. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
