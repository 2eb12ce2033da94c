import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { clusterOutputs } from "../cluster.ts";
import type { Outputs } from "../cluster.ts";
import type { Context } from "../context.ts";
import { withNodeCommands } from "../node-commands.ts";
import type { NodeCommands } from "../node-commands.ts";
import { withPodNetwork } from "../pod-network.ts";
import type { Stack } from "../stack.ts";
import { pathsMap } from "../tailnet-map.ts";
import { pathsText } from "../tailnet-paths-text.ts";
import { pathsReport } from "../tailnet-paths.ts";
import type { FlannelNode, PathsReport, ProbedNode } from "../tailnet-paths.ts";
import { readProbe } from "../tailnet-probe.ts";
import type { Probe } from "../tailnet-probe.ts";

export interface PathsOptions {
  /** Where a map of sites and nodes is written to. */
  readonly svg?: string;
  /** Measure from pod to pod too. */
  readonly throughput?: boolean;
}

const unknownToFlannel: FlannelNode = { flannelAddress: "", podRoutes: false };

type Node = Outputs["nodes"][number];

const script = readFileSync(new URL("../tailnet-probe.sh", import.meta.url), "utf8");

/** Measures how packets get from each node to each other, and shows what is not as it should be. Changes nothing. */
export async function paths(context: Context, stack: Stack, options: PathsOptions): Promise<void> {
  const { console } = context;
  const outputs = await clusterOutputs(context, stack.name);
  const report = await measure(context, stack.name, outputs, options);
  const file = options.svg === undefined ? undefined : resolve(options.svg);
  if (file !== undefined) await writeFile(file, pathsMap(stack.name, report));
  if (console.json) {
    console.out(
      JSON.stringify({ stack: stack.name, ...report, ...(file === undefined ? {} : { svg: file }) }),
    );
    return;
  }
  console.out(pathsText(report));
  if (file !== undefined) console.info(`\nwrote ${file}`);
}

async function measure(
  context: Context,
  stack: string,
  outputs: Outputs,
  options: PathsOptions,
): Promise<PathsReport> {
  return withPodNetwork(context, outputs.kubeconfig, async (network) => {
    const [answers, flannel] = await Promise.all([
      withNodeCommands(context, { stack, ...outputs }, (commandsOf) =>
        Promise.all(outputs.nodes.map((node) => probe(node, outputs.nodes, commandsOf(node)))),
      ),
      network.flannelNodes(),
    ]);
    if (typeof flannel === "string") context.console.warn(`the API did not answer: ${flannel}`);
    const nodes = outputs.nodes.map(({ name, site, hostName }, index): ProbedNode => ({
      ...{ name, site, hostName },
      answer: answers[index] ?? "it was not asked",
      ...((typeof flannel === "string" ? undefined : flannel.get(name)) ?? unknownToFlannel),
    }));
    if (options.throughput !== true) return pathsReport(nodes);
    const names = nodes.map(({ name }) => name);
    const tell = (from: string, to: string): void => {
      context.console.info(`sending from a pod on ${from} to one on ${to}`);
    };
    return pathsReport(nodes, await network.throughput(names, tell));
  });
}

/** What the node says, or in one line why it says nothing. */
async function probe(node: Node, nodes: readonly Node[], commands: NodeCommands): Promise<Probe | string> {
  const peers = nodes.filter((other) => other !== node).map(({ hostName }) => hostName);
  const answer = await commands.script(script, peers);
  if (!answer.ok) return answer.text.split("\n").at(-1) ?? "";
  try {
    return readProbe(answer.text, peers);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
