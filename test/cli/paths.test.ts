/** The verb `paths`: what nodes say of their network, what is made of it, and what is shown. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { PodNetwork } from "../../cli/pod-network.ts";
import { makeProgram } from "../../cli/program.ts";
import { pathsText } from "../../cli/tailnet-paths-text.ts";
import { pairsOf, pathsReport } from "../../cli/tailnet-paths.ts";
import type { ProbedNode } from "../../cli/tailnet-paths.ts";
import { readProbe } from "../../cli/tailnet-probe.ts";
import type { PeerProbe, Probe } from "../../cli/tailnet-probe.ts";
import { prepareStack } from "../../cli/state.ts";
import { paths } from "../../cli/verbs/paths.ts";
import { type Bed, checkout, outputs, withCluster } from "./bed.ts";
import { bed, ci, failure } from "./verb-support.ts";

const fixture = (name: string): string => readFileSync(join(checkout, "test/cli/fixtures", name), "utf8");

/** One column gap, whatever its width, is a bar. */
const cells = (text: string): string[] => text.split("\n").map((line) => line.replaceAll(/ {2,}/g, " | "));

describe("what a node says", () => {
  const read = (changes: Readonly<Record<string, string>> = {}): Probe => {
    const sections: Record<string, string> = {
      "ping b":
        "pong from b (100.64.0.2) via DERP(fra) in 1.002s\npong from b (100.64.0.2) via 192.0.2.7:41641 in 3ms\npong from b (100.64.0.2) via 192.0.2.7:41641 in 0s",
      "route b": "100.64.0.2 dev tailscale0 table 52 src 100.64.0.1 uid 0 \\    cache",
      link: "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue\n2: eth0@if9: <UP> mtu 1500 qdisc noqueue\n5: tailscale0: <UP> mtu 1280 qdisc\n7: flannel.1: <UP> mtu 1230 qdisc",
      address: "2: eth0    inet 10.0.0.7/24 brd 10.0.0.255 scope global eth0",
      netcheck: netcheck({}),
      status: status({}),
      ...changes,
    };
    const text = Object.entries(sections).map(([title, answer]) => `== ${title}\n${answer}\n`);
    return readProbe(text.join(""), ["b"]);
  };
  const netcheck = (changes: object): string =>
    JSON.stringify(
      { UDP: true, MappingVariesByDestIP: false, GlobalV4: "203.0.113.5:1024", ...changes },
      null,
      "\t",
    );
  const status = (peer: object, self: object = {}): string =>
    JSON.stringify({
      BackendState: "Running",
      Self: { HostName: "a", TailscaleIPs: ["100.64.0.1", "fd7a::1"], Relay: "fra", ...self },
      Peer: { key: { HostName: "b", CurAddr: "192.0.2.7:41641", Relay: "nyc", ...peer } },
    });

  test("is read section by section", () => {
    expect(read()).toEqual({
      address: "100.64.0.1",
      relay: "fra",
      mtus: new Map([
        ["lo", 65536],
        ["eth0", 1500],
        ["tailscale0", 1280],
        ["flannel.1", 1230],
      ]),
      nat: { mapping: "easy", publicEndpoint: "203.0.113.5:1024" },
      peers: new Map([
        [
          "b",
          {
            directAddress: "192.0.2.7:41641",
            peerRelay: "",
            pongs: [
              { via: "DERP(fra)", milliseconds: 1002 },
              { via: "192.0.2.7:41641", milliseconds: 3 },
              { via: "192.0.2.7:41641", milliseconds: 0 },
            ],
            routes: [],
            device: "tailscale0",
          },
        ],
      ]),
    });
  });

  test.each([
    ["none", { GlobalV4: "10.0.0.7:41641" }],
    ["hard", { MappingVariesByDestIP: true }],
    ["unknown", { MappingVariesByDestIP: null }],
    ["no UDP", { UDP: false }],
  ])("NAT: %s", (mapping, changes) => {
    expect(read({ netcheck: netcheck(changes) }).nat.mapping).toBe(mapping);
  });

  test("a netcheck that was cut off leaves NAT unknown", () => {
    expect(read({ netcheck: "\n! " }).nat).toEqual({ mapping: "unknown", publicEndpoint: "" });
  });

  test("a peer that does not reply has the reason", () => {
    const peer = (answer: string): PeerProbe | undefined => read({ "ping b": answer }).peers.get("b");
    expect(peer('ping "100.64.0.2" timed out\n\n! no reply')).toMatchObject({
      pongs: [],
      problem: "no reply",
    });
    expect(peer("\n! no matching peer")?.problem).toBe("no matching peer");
    expect(peer("\n! not answered within 15 s")?.problem).toBe("not answered within 15 s");
    // It failed without a word.
    expect(peer("\n! ")?.problem).toBe("no reply");
  });

  test("replies count also where the last ping found no direct way", () => {
    const answer = "pong from b (100.64.0.2) via DERP(fra) in 30ms\n\n! direct connection not established";
    expect(read({ "ping b": answer }).peers.get("b")).not.toHaveProperty("problem");
  });

  test.each([
    ["iputils", "rtt min/avg/max/mdev = 0.031/0.038/0.046/0.007 ms", 0.031],
    ["BusyBox", "round-trip min/avg/max = 0.056/0.072/0.089 ms", 0.056],
  ])("the LAN's round trip, by %s' ping", (_, line, milliseconds) => {
    const text = `PING 192.0.2.7 (192.0.2.7) 56(84) bytes of data.\n\n2 packets transmitted, 2 received\n${line}`;
    expect(read({ "lan b": text }).peers.get("b")?.lanMilliseconds).toBe(milliseconds);
    expect(read({ "lan b": "\n! ping: not found" }).peers.get("b")).not.toHaveProperty("lanMilliseconds");
    // The way has changed since.
    const other = text.replaceAll("192.0.2.7", "192.0.2.8");
    expect(read({ "lan b": other }).peers.get("b")).not.toHaveProperty("lanMilliseconds");
  });

  test("a tailscaled that does not answer, or is not connected, is the problem of the whole node", () => {
    expect(() => read({ status: "\n! failed to connect to local tailscaled" })).toThrow(
      "its tailscaled does not answer: failed to connect to local tailscaled",
    );
    expect(() => read({ status: status({}).replace("Running", "NeedsLogin") })).toThrow(
      "its tailscaled is not connected: NeedsLogin",
    );
  });
});

test("the script asks everything at once and marks what failed", async () => {
  const made = bed();
  const tool = (name: string, lines: string): void => {
    writeFileSync(join(made.folder, name), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  };
  tool(
    "tailscale",
    'case "$*" in\nping*\\ b) echo "warning" >&2; echo "no matching peer" >&2; exit 1 ;;\nstatus) printf "100.64.0.%s %s ci linux %s\\n" 8 a - 9 b "idle; offline" 10 c "active; direct 10.0.2.5:41641, tx 1 rx 2" 11 d "idle; direct [fd00::5]:41641" 12 e "active; direct 203.0.113.7:41641, tx 1 rx 2" 13 f "active; direct 192.0.2.6:41641, tx 1 rx 2" ;;\n*) printf %s "$*" ;;\nesac',
  );
  tool("ip", 'echo "ip $*"');
  tool("ping", 'echo "ping $*"');
  // Of one question and of the other: what GNU's and what BusyBox's ends with when time is up.
  tool("timeout", 'shift\ncase "$*" in\n*" d") exit 124 ;;\n*netcheck*) exit 143 ;;\nesac\nexec "$@"');
  const { stdout } = await execa("sh", [join(checkout, "cli/tailnet-probe.sh"), "b", "c", "d", "e"], {
    env: { PATH: `${made.folder}:${process.env["PATH"] ?? ""}`, TMPDIR: made.folder },
  });
  // An answer that ends without a new line, as a status does, leaves the next section's title on a line of its own.
  const sections = stdout.split(/^== /m).map((section) => section.trim().replaceAll(/\n+/g, " | "));
  expect(sections.filter(Boolean).sort()).toEqual([
    "address | ip -4 -o addr show",
    "lan c | ping -q -c 2 -W 1 10.0.2.5",
    "lan d | ping -q -c 2 -W 1 fd00::5",
    "link | ip -o link show",
    "netcheck | ! not answered within 15 s",
    "ping b | ! no matching peer",
    "ping c | ping --until-direct=false -c 3 --timeout 1500ms c",
    "ping d | ! not answered within 15 s",
    "ping e | ping --until-direct=false -c 3 --timeout 1500ms e",
    ...["b", "c", "d", "e"].map((peer, index) => `route ${peer} | ip -o route get 100.64.0.${9 + index}`),
    "status | status --json",
  ]);
});

const direct = (address: string, ...times: number[]): PeerProbe => ({
  directAddress: address,
  peerRelay: "",
  pongs: times.map((milliseconds) => ({ via: address, milliseconds })),
  routes: [],
  device: "tailscale0",
});
const relayed = (region: string, ...times: number[]): PeerProbe => ({
  ...direct("", ...times),
  pongs: times.map((milliseconds) => ({ via: `DERP(${region})`, milliseconds })),
});
const probed = (
  name: string,
  site: string,
  address: string,
  peers: Readonly<Record<string, PeerProbe>>,
  changes: Partial<Probe> = {},
): ProbedNode => ({
  ...{ name, site, hostName: name, flannelAddress: address, podRoutes: false },
  answer: {
    address,
    relay: "fra",
    mtus: new Map([
      ["tailscale0", 1280],
      ["flannel.1", 1230],
    ]),
    nat: { mapping: "easy", publicEndpoint: "203.0.113.5:1024" },
    peers: new Map(Object.entries(peers)),
    ...changes,
  },
});

describe("pairs", () => {
  const pair = (there: PeerProbe, back: PeerProbe, site = "home"): ProbedNode[] => [
    probed("a", "home", "100.64.0.1", { b: there }),
    probed("b", site, "100.64.0.2", { a: back }),
  ];

  test("with the same way in both directions are one, with the median of both", () => {
    const report = pathsReport(pair(direct("192.0.2.2:1", 1, 2, 9), direct("192.0.2.1:1", 4, 4, 4)));
    expect(report.warnings).toEqual([]);
    expect(pairsOf(report.paths)).toMatchObject([
      { roundTripMilliseconds: 3, directions: [{ from: "a" }, {}] },
    ]);
    expect(pathsText(report)).toContain("a <-> b  same  direct  192.0.2.2:1  3 ms        tailscale0");
  });

  test("of one site have their LAN's round trip beside the tailnet's, where it is known", () => {
    const lan = { ...direct("192.0.2.2:1", 2), lanMilliseconds: 0.31 };
    const report = pathsReport(pair(lan, { ...direct("192.0.2.1:1", 4), lanMilliseconds: 0.5 }));
    expect(report.paths[0]).toMatchObject({ roundTripMilliseconds: 2, lanRoundTripMilliseconds: 0.31 });
    expect(cells(pathsText(report)).slice(-2)).toEqual([
      "PAIR | SITE | PATH | ENDPOINT | ROUND TRIP | LAN'S | DEVICE",
      "a <-> b | same | direct | 192.0.2.2:1 | 3 ms | 0.4 ms | tailscale0",
    ]);
    // What a ping reaches of another site is its router.
    expect(pathsReport(pair(lan, lan, "cloud")).paths[0]).not.toHaveProperty("lanRoundTripMilliseconds");
    // A relay's packets do not go there.
    const around = { ...relayed("fra", 2), lanMilliseconds: 0.31 };
    expect(pathsReport(pair(around, around)).paths[0]).not.toHaveProperty("lanRoundTripMilliseconds");
  });

  test("that differ by direction are shown and judged by direction", () => {
    const report = pathsReport(pair(direct("192.0.2.2:1", 1), relayed("fra", 30, 31, 32)));
    expect(report.warnings).toEqual([
      "packets from b to a go through relay fra, though both are on the same site",
      "the round trip from b to a takes 31 ms, though both are on the same site: more than 20 ms",
    ]);
    const rows = cells(pathsText(report)).filter((line) => line.includes("->"));
    expect(rows).toEqual([
      "a -> b | same | direct | 192.0.2.2:1 | 1 ms | tailscale0",
      "b -> a | same | relay | fra | 31 ms | tailscale0 | <- see below",
    ]);
  });

  test("what tailscaled says it sends to counts, and only the replies that came that way", () => {
    const woken = {
      ...direct("192.0.2.2:1"),
      pongs: [...relayed("fra", 90).pongs, { via: "192.0.2.2:1", milliseconds: 2 }],
    };
    expect(pathsReport(pair(woken, woken)).paths[0]).toMatchObject({
      path: "direct",
      roundTripMilliseconds: 2,
    });
    // Never used but for the pings, so the status has no address.
    const idle = { ...woken, directAddress: "" };
    expect(pathsReport(pair(idle, idle)).paths[0]).toMatchObject({ path: "direct", endpoint: "192.0.2.2:1" });
    const peer = { ...direct("", 7), peerRelay: "192.0.2.9:40000:vni:1" };
    expect(pathsReport(pair(peer, peer, "cloud")).paths[0]).toMatchObject({
      path: "relay",
      endpoint: "192.0.2.9:40000:vni:1",
      roundTripMilliseconds: 7,
    });
  });

  test("of two sites may be far apart and relayed; exactly 20 ms are near enough for one site", () => {
    expect(pathsReport(pair(relayed("fra", 80), relayed("fra", 80), "cloud")).warnings).toEqual([]);
    expect(pathsReport(pair(direct("192.0.2.2:1", 20), direct("192.0.2.1:1", 20))).warnings).toEqual([]);
  });

  test("that leave on another device, and nodes whose flannel is reached elsewhere or sends too much, are named", () => {
    const lan = { ...direct("192.0.2.2:1", 0), device: "eth0" };
    const nodes = pair(lan, lan);
    const mtus = new Map([
      ["tailscale0", 1280],
      ["flannel.1", 1450],
    ]);
    nodes[1] = { ...probed("b", "home", "100.64.0.2", { a: lan }, { mtus }), flannelAddress: "10.0.0.2" };
    expect(pathsReport(nodes).warnings).toEqual([
      "flannel sends packets for pods of b to 10.0.0.2, not to its tailnet address 100.64.0.2",
      "flannel.1 of b has MTU 1450: with VXLAN's 50 bytes that does not fit into the 1280 of tailscale0",
      "packets between a and b leave on eth0, not on tailscale0",
    ]);
  });

  test("say where the tailnet has no route to the pods of a node, where it should have one", () => {
    const peer = { ...direct("192.0.2.2:1", 1), routes: ["10.42.1.0/24"] };
    const nodes = pair(peer, { ...peer, routes: [] }).map((node) => ({ ...node, podRoutes: true }));
    const report = pathsReport(nodes);
    expect(report.paths.map(({ podRoute }) => podRoute)).toEqual(["10.42.1.0/24", ""]);
    expect(report.warnings).toEqual([
      "b has no route to the pods of a: the tailnet's policy does not approve it, or the control server does not hear of a",
    ]);
  });

  test("without a reply are named, unless the other node cannot be asked either", () => {
    const silent = { ...direct(""), problem: "no reply" };
    const nodes = pair(silent, silent);
    expect(pathsReport(nodes).warnings).toEqual(["nothing gets through between a and b: no reply"]);
    nodes[1] = { ...nodes[1]!, answer: "Connection refused" };
    expect(pathsReport(nodes).warnings).toEqual(["b could not be asked: Connection refused"]);
    nodes[0] = { ...nodes[0]!, answer: "Connection refused" };
    const report = pathsReport(nodes);
    expect(cells(pathsText(report)).slice(1, 5)).toEqual([
      "a | home | does not answer",
      "b | home | does not answer",
      "",
      "PAIR | SITE | PATH | ENDPOINT | ROUND TRIP | DEVICE",
    ]);
    expect(report.paths.map(({ path }) => path)).toEqual(["unknown", "unknown"]);
  });

  test("between whose pods nothing gets are named", () => {
    const way = direct("192.0.2.2:1", 1);
    const report = pathsReport(pair(way, way), [{ from: "a", to: "b", problem: "nothing arrived" }]);
    expect(report.warnings).toEqual(["a pod on a gets no bytes to one on b: nothing arrived"]);
    expect(cells(pathsText(report))[5]).toBe(
      "a <-> b | same | direct | 192.0.2.2:1 | 1 ms | tailscale0 | none",
    );
  });

  test("a single node has none", () => {
    const report = pathsReport([probed("a", "home", "100.64.0.1", {})]);
    expect(report.paths).toEqual([]);
    expect(pathsText(report).split("\n")).toHaveLength(2);
  });
});

describe("from pod to pod", () => {
  const pod = (node: string, address: string, phase = "Running"): object => ({
    metadata: { name: `smoke-${node}` },
    spec: { nodeName: node },
    status: { phase, podIP: address },
  });
  const network = (
    pods: readonly object[],
    exec: (words: readonly string[]) => string,
    calls: string[][] = [],
  ) =>
    new PodNetwork(async (args) => {
      if (args[0] === "get") return { ok: true, text: JSON.stringify({ items: pods }) };
      const words = args.slice(args.indexOf("sh", args.indexOf("-c")) + 1);
      calls.push([args[3] ?? "", ...words]);
      const text = exec(words);
      return { ok: text !== "", text };
    });
  const quiet = (): void => undefined;
  const pods = [pod("a", "10.42.0.2"), pod("b", "10.42.1.2"), pod("c", "10.42.2.2", "Pending")];

  test("bytes that arrived by the time they took, pair after pair", async () => {
    const calls: string[][] = [];
    const of = network(pods, ([role]) => (role === "send" ? "100.25 102.25" : "250000000\n"), calls);
    expect(await of.throughput(["a", "b", "c"], quiet)).toEqual([
      { from: "a", to: "b", megabitsPerSecond: 1000 },
      { from: "a", to: "c", problem: "no pod runs on c" },
      { from: "b", to: "c", problem: "no pod runs on c" },
    ]);
    expect(calls).toEqual([
      ["smoke-b", "receive", "5201", "5"],
      ["smoke-a", "send", "10.42.1.2", "5201", "2"],
    ]);
  });

  test("a pair through which nothing gets has a problem, and is none of the others'", async () => {
    const of = network(pods, ([role]) => (role === "send" ? "" : "0\n"));
    expect(await of.throughput(["a", "b"], quiet)).toEqual([
      { from: "a", to: "b", problem: "nothing arrived" },
    ]);
  });

  test("needs the smoke test's pods", async () => {
    const { message } = await failure(network([], () => "").throughput(["a", "b"], quiet));
    expect(message).toBe(
      "`--throughput` needs the pods of the smoke test, and none runs in namespace homespan-smoke",
    );
  });
});

describe("paths", () => {
  /** A cluster whose nodes say what nodes of a real ci stack said. */
  const cluster = async (options: Parameters<typeof bed>[0] = {}): Promise<Bed> => {
    const made = withCluster(bed(options));
    mkdirSync(join(made.folder, "probes"));
    made.environment["FAKE_PROBES"] = join(made.folder, "probes");
    made.environment["FAKE_KUBERNETES_NODES"] = made.file("annotated.json", {
      items: outputs.nodes.map(({ name }, index) => ({
        metadata: {
          name,
          annotations: { "flannel.alpha.coreos.com/public-ip": `100.64.0.${String(index + 1)}` },
        },
      })),
    });
    for (const { name } of outputs.nodes) {
      made.file(`probes/homespan-ci-${name}-tailscale`, fixture(`tailnet-probe-${name}.txt`));
    }
    await prepareStack(made.context, ci, []);
    return made;
  };
  const nodeHeader =
    "NODE | SITE | TAILNET ADDRESS | FLANNEL PUBLIC-IP | MTU TAILSCALE0/FLANNEL.1 | NAT | RELAY";

  test("shows nodes and pairs, and gives each node the other's name with the script", async () => {
    const made = await cluster();
    await paths(made.context, ci, {});
    expect(cells(made.printed[0]!)).toEqual([
      nodeHeader,
      "server-1 | cloud | 100.64.0.1 | 100.64.0.1 | 1280/1230 | unknown | homespan",
      "agent-1 | home | 100.64.0.2 | 100.64.0.2 | 1280/1230 | unknown | homespan",
      "",
      "PAIR | SITE | PATH | ENDPOINT | ROUND TRIP | DEVICE",
      "server-1 <-> agent-1 | cross | direct | 10.89.0.1:60411 | 2 ms | tailscale0",
    ]);
    expect(made.said).toEqual([]);
    const asked = made.calls().filter((call) => call.includes("sh -s"));
    expect(asked.sort()).toEqual([
      "podman|exec -i homespan-ci-agent-1-tailscale sh -s -- ci-server-1",
      "podman|exec -i homespan-ci-server-1-tailscale sh -s -- ci-agent-1",
    ]);
  });

  test("--json is one object, --svg a file", async () => {
    const made = await cluster({ json: true });
    const svg = join(made.folder, "map.svg");
    await paths(made.context, ci, { svg });
    expect(JSON.parse(made.printed.join(""))).toMatchObject({
      stack: "ci",
      nodes: [{ name: "server-1", flannelMtu: 1230, relay: "homespan" }, { name: "agent-1" }],
      paths: [
        { from: "server-1", to: "agent-1", sameSite: false, path: "direct", device: "tailscale0" },
        { from: "agent-1", to: "server-1" },
      ],
      throughput: [],
      warnings: [],
      svg,
    });
    expect(readFileSync(svg, "utf8")).toMatch(/^<svg [^]*agent-1[^]*<\/svg>\n$/);
  });

  test("a node that does not answer is a row, not a failure of the rest", async () => {
    const made = await cluster();
    rmSync(join(made.folder, "probes/homespan-ci-agent-1-tailscale"));
    await paths(made.context, ci, {});
    const lines = cells(made.printed[0]!);
    expect(lines[2]).toBe("agent-1 | home | does not answer");
    expect(lines[5]).toMatch(/^server-1 -> agent-1 \| cross \| direct \| 10\.89\.0\.1:60411 /);
    expect(lines.at(-1)).toMatch(/^agent-1 could not be asked: .*No such file/);
  });

  test("an API that does not answer costs flannel's addresses alone", async () => {
    const made = await cluster();
    made.environment["FAKE_KUBERNETES_NODES"] = join(made.folder, "none");
    await paths(made.context, ci, {});
    expect(made.said[0]).toMatch(/^the API did not answer: .*No such file/);
    expect(cells(made.printed[0]!)[1]).toBe(
      "server-1 | cloud | 100.64.0.1 | - | 1280/1230 | unknown | homespan",
    );
  });

  test("a machine reached by SSH is asked as root, with the names quoted", async () => {
    const made = await cluster();
    const [server, agent] = outputs.nodes;
    const transport = {
      kind: "ssh",
      address: "198.18.1.8",
      port: 22,
      user: "admin",
      hostKey: "ssh-ed25519 AAAA",
    };
    const changed = { ...outputs, sshPrivateKey: "KEY", nodes: [{ ...server, transport }, agent] };
    made.environment["FAKE_OUTPUTS"] = made.file("ssh.json", changed);
    made.file("probes/admin@198.18.1.8", fixture("tailnet-probe-server-1.txt"));
    await paths(made.context, ci, {});
    expect(cells(made.printed[0]!)[1]).toMatch(/^server-1 \| cloud \| 100\.64\.0\.1 /);
    const asked = made.calls().find((call) => call.startsWith("ssh|"));
    expect(asked).toMatch(
      / admin@198\.18\.1\.8 sudo -n env PATH=\/usr\/lib\/homespan\/bin:\$PATH sh -s -- 'ci-agent-1'$/,
    );
    expect(asked).toContain("BatchMode=yes");
  });

  test("is a verb with help", () => {
    const verb = makeProgram(() => undefined).commands.find((command) => command.name() === "paths");
    expect(verb?.helpInformation()).toMatch(/paths \[options\] \[stack\][^]*--svg <file>[^]*--throughput/);
  });

  test("of a stack that does not exist says what to do", async () => {
    const { message } = await failure(paths(bed().context, ci, {}));
    expect(message).toBe("stack ci does not exist; make it with: ./homespan up ci");
  });
});
