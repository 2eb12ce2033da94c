/** The map of `paths`: well-formed, the same bytes each time, and nothing lies over anything else. */
import { describe, expect, test } from "vitest";
import { pathsMap } from "../../cli/tailnet-map.ts";
import { pathsReport } from "../../cli/tailnet-paths.ts";
import type { PathsReport, ProbedNode } from "../../cli/tailnet-paths.ts";
import type { PeerProbe } from "../../cli/tailnet-probe.ts";
import { type Element, readXml } from "../support/xml.ts";

type Sites = Readonly<Record<string, readonly string[]>>;

/** Nodes of one site are below a millisecond apart, others 20; `relayed` and `silent` say between whom it is otherwise. */
function reportOf(
  sites: Sites,
  otherwise: {
    readonly relayed?: readonly string[];
    readonly silent?: string;
    readonly throughput?: true;
  } = {},
): PathsReport {
  const nodes = Object.entries(sites).flatMap(([site, names]) => names.map((name) => ({ name, site })));
  const peer = (from: (typeof nodes)[number], to: (typeof nodes)[number]): PeerProbe => {
    const relayed = otherwise.relayed?.includes(from.name) === true && otherwise.relayed.includes(to.name);
    const address = `192.0.2.${nodes.indexOf(to) + 1}:41641`;
    const via = relayed ? "DERP(fra)" : address;
    const silent = to.name === otherwise.silent;
    return {
      directAddress: relayed || silent ? "" : address,
      peerRelay: "",
      pongs: silent ? [] : [{ via, milliseconds: relayed ? 41 : from.site === to.site ? 0 : 20 }],
      routes: [],
      device: "tailscale0",
      ...(silent ? { problem: "no reply" } : {}),
    };
  };
  const probed = nodes.map((node, index): ProbedNode => ({
    ...node,
    hostName: node.name,
    ...{ flannelAddress: `100.64.0.${index + 1}`, podRoutes: false },
    answer:
      node.name === otherwise.silent
        ? "it does not answer by SSH: Connection refused"
        : {
            address: `100.64.0.${index + 1}`,
            relay: "fra",
            mtus: new Map([
              ["tailscale0", 1280],
              ["flannel.1", 1230],
            ]),
            nat: { mapping: node.site === "home" ? "easy" : "none", publicEndpoint: "203.0.113.5:1024" },
            peers: new Map(nodes.filter((to) => to !== node).map((to) => [to.name, peer(node, to)])),
          },
  }));
  const names = nodes.map(({ name }) => name);
  const pairs = names.flatMap((from, index) => names.slice(index + 1).map((to) => ({ from, to })));
  const rates = pairs.map((pair) => ({ ...pair, megabitsPerSecond: 812 }));
  return pathsReport(probed, otherwise.throughput === true ? rates : []);
}

const lightsail: Sites = {
  "eu-central-1": ["server-1", "server-2", "server-3"],
  home: ["agent-1", "agent-2", "agent-3", "agent-4"],
};
const threeSites: Sites = {
  cloud: ["server-1"],
  home: ["agent-1", "agent-2"],
  office: ["agent-3", "agent-4"],
};
const samples = [
  ["two-sites", reportOf(lightsail, { relayed: ["server-2", "agent-2", "agent-3"], throughput: true })],
  ["three-sites", reportOf(threeSites, { relayed: ["agent-1", "agent-4"], silent: "agent-3" })],
] as const;

test.each(samples)("golden: %s", async (name, report) => {
  await expect(pathsMap("lightsail", report)).toMatchFileSnapshot(`golden/paths-${name}.svg`);
});

interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

function areaOf({ attributes }: Element): Area {
  const [x = 0, y = 0, width = 0, height = 0] = ["x", "y", "width", "height"].map((key) =>
    Number(attributes[key] ?? 0),
  );
  return { left: x, top: y, right: x + width, bottom: y + height };
}

function overlap(a: Area, b: Area): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

const six = ["1", "2", "3", "4", "5", "6"];
const layouts: readonly (readonly [string, PathsReport])[] = [
  ...samples,
  ["one node", reportOf({ home: ["a"] })],
  ["one site", reportOf({ home: six })],
  ["two sites of six", reportOf({ cloud: six.map((it) => `s${it}`), home: six.map((it) => `a${it}`) })],
  ["four sites", reportOf({ a: ["a1", "a2"], b: ["b1", "b2", "b3"], c: ["c1"], d: ["d1", "d2"] })],
];

describe.each(layouts)("%s", (_name, report) => {
  const elements = readXml(pathsMap("x", report));
  const rects = elements.filter(({ name }) => name === "rect");
  const [canvas, ...drawn] = rects;
  const labels = drawn.filter(({ attributes }) => attributes["rx"] === "3").map(areaOf);
  const nodes = drawn.filter(({ attributes }) => attributes["rx"] === "6").map(areaOf);

  test("no label lies over a node, and each is on the canvas", () => {
    expect(nodes).toHaveLength(report.nodes.length);
    const page = areaOf(canvas!);
    for (const area of [...labels, ...nodes]) {
      expect(area.left >= 0 && area.top >= 0 && area.right <= page.right && area.bottom <= page.bottom).toBe(
        true,
      );
    }
    for (const label of labels) expect(nodes.filter((node) => overlap(label, node))).toEqual([]);
  });

  test("title and legend are on the canvas", () => {
    // A letter of a size is about 0.55 of it wide, a bold one 0.58.
    const wide = elements.filter(
      ({ name, attributes }) => name === "text" && attributes["text-anchor"] === undefined,
    );
    expect(wide.length).toBeGreaterThan(3);
    for (const { attributes, text } of wide) {
      const letter = Number(attributes["font-size"]) * (attributes["font-weight"] === "bold" ? 0.58 : 0.55);
      const right = Number(attributes["x"]) + text.trim().length * letter;
      expect([text, right <= areaOf(canvas!).right]).toEqual([text, true]);
    }
  });

  test("no label lies over another", () => {
    const over = labels.filter((one, index) => labels.slice(index + 1).some((other) => overlap(one, other)));
    expect(over).toEqual([]);
  });

  test("there is one line and one label a pair", () => {
    const count = (report.nodes.length * (report.nodes.length - 1)) / 2;
    expect(labels).toHaveLength(count);
    const lines = elements.filter(({ name, attributes }) => name === "path" && attributes["fill"] === "none");
    expect(lines).toHaveLength(count);
  });
});

test("a relay is dashed, no reply is dotted, and what is not as it should be is red", () => {
  const lineOf = (report: PathsReport): Element["attributes"] =>
    readXml(pathsMap("x", report)).find(({ name }) => name === "path")!.attributes;
  const home: Sites = { home: ["a", "b"] };
  expect(lineOf(reportOf(home))).not.toHaveProperty("stroke-dasharray");
  const cross = lineOf(reportOf({ cloud: ["a"], home: ["b"] }, { relayed: ["a", "b"] }));
  const same = lineOf(reportOf(home, { relayed: ["a", "b"] }));
  expect([cross["stroke-dasharray"], same["stroke-dasharray"]]).toEqual(["8 5", "8 5"]);
  expect(cross["stroke"]).not.toBe(same["stroke"]);
  expect(lineOf(reportOf(home, { silent: "b" }))).toMatchObject({
    stroke: same["stroke"],
    "stroke-dasharray": "2 5",
  });
});

test("names are escaped", () => {
  const xml = pathsMap("<a&b>", reportOf({ "r&d": ["<n>"] }));
  expect(readXml(xml).map(({ text }) => text.trim())).toContain("&lt;n&gt;");
  expect(xml).toContain("How the nodes of &lt;a&amp;b&gt; reach each other");
});
