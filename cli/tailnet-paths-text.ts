/** What a terminal shows of the ways between nodes. Pure. */
import { table } from "./console.ts";
import { type NodePaths, type PathsReport, type Throughput, pairWarnings, pairsOf } from "./tailnet-paths.ts";

/** What a terminal shows. */
export function pathsText(report: PathsReport): string {
  const { nodes, paths, throughput, warnings } = report;
  const rates = new Map(throughput.map((rate) => [`${rate.from} ${rate.to}`, rate]));
  const measured = paths.some(({ lanRoundTripMilliseconds: time }) => time !== undefined);
  const pairs = pairsOf(paths).map((pair) => {
    const [{ from, to, sameSite, path, endpoint, device }] = pair.directions;
    const both = pair.directions.length > 1;
    const rate = rates.get(`${from} ${to}`) ?? (both ? rates.get(`${to} ${from}`) : undefined);
    return [
      `${from} ${both ? "<->" : "->"} ${to}`,
      sameSite ? "same" : "cross",
      path,
      endpoint ?? "-",
      milliseconds(pair.roundTripMilliseconds),
      ...(measured ? [fineMilliseconds(pair.lanRoundTripMilliseconds)] : []),
      device ?? "-",
      ...(throughput.length > 0 ? [rateText(rate)] : []),
      pairWarnings(pair).length > 0 ? "<- see below" : "",
    ];
  });
  const header = [
    ...["PAIR", "SITE", "PATH", "ENDPOINT", "ROUND TRIP"],
    ...(measured ? ["LAN'S"] : []),
    ...["DEVICE", ...(throughput.length > 0 ? ["POD TO POD"] : []), ""],
  ];
  const parts = [nodeTable(nodes)];
  if (pairs.length > 0) {
    parts.push(table(header, pairs));
  }
  if (warnings.length > 0) parts.push(warnings.join("\n"));
  return parts.join("\n\n");
}

function nodeTable(nodes: readonly NodePaths[]): string {
  return table(
    ["NODE", "SITE", "TAILNET ADDRESS", "FLANNEL PUBLIC-IP", "MTU TAILSCALE0/FLANNEL.1", "NAT", "RELAY"],
    nodes.map((node) => [
      node.name,
      node.site,
      ...(node.problem === undefined
        ? [
            node.tailnetAddress ?? "-",
            node.flannelPublicIp ?? "-",
            `${node.tailscaleMtu ?? "-"}/${node.flannelMtu ?? "-"}`,
            node.nat ?? "-",
            node.relay ?? "-",
          ]
        : ["does not answer"]),
    ]),
  );
}

/** `<1 ms`, `12 ms`, `-` */
export function milliseconds(time: number | undefined): string {
  if (time === undefined) return "-";
  return time < 1 ? "<1 ms" : `${Math.round(time)} ms`;
}

/** `0.3 ms`, `12 ms`, `-`: a LAN takes less than one. */
function fineMilliseconds(time: number | undefined): string {
  return time !== undefined && time < 10 ? `${time.toFixed(1)} ms` : milliseconds(time);
}

/** `812 Mbit/s`, `none` */
export function rateText(rate: Throughput | undefined): string {
  if (rate === undefined) return "-";
  if (rate.megabitsPerSecond === undefined) return "none";
  return `${rate.megabitsPerSecond.toFixed(rate.megabitsPerSecond < 10 ? 1 : 0)} Mbit/s`;
}
