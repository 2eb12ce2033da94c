/** The node table of `up` and `status`. */
import { kubernetesNodes } from "./cluster.ts";
import type { Outputs } from "./cluster.ts";
import { table } from "./console.ts";
import type { Context } from "./context.ts";
import type { Resource } from "./deployment.ts";
import { withNodeCommands } from "./node-commands.ts";
import { summarizeStages } from "./stages.ts";
import type { StageSummary } from "./stages.ts";

/** A node as the last `up` left it. */
export interface RecordedNode {
  readonly name: string;
  readonly role: string;
  readonly site: string;
  readonly address: string;
  readonly ready: boolean;
  readonly version: string;
}

/** A node as it is now. */
export interface NodeRow extends RecordedNode {
  readonly stage: StageSummary;
  /** How the first server reaches it over the tailnet. */
  readonly path: string;
}

export interface ClusterView {
  readonly nodes: readonly NodeRow[];
  /** Why the API did not answer. */
  readonly problem?: string;
}

export async function viewCluster(context: Context, stack: string, outputs: Outputs): Promise<ClusterView> {
  const firstServer = outputs.nodes.find(({ role }) => role === "server");
  const [kubernetes, paths, stages] = await withNodeCommands(context, { stack, ...outputs }, (commandsOf) =>
    Promise.all([
      kubernetesNodes(context, outputs),
      firstServer === undefined ? new Map<string, string>() : commandsOf(firstServer).paths(),
      Promise.all(outputs.nodes.map((node) => commandsOf(node).stages())),
    ]),
  );
  const now = Date.now();
  const nodes = outputs.nodes.map((node, index): NodeRow => {
    const found = kubernetes.nodes.find(({ name }) => name === node.name);
    const stage = stages[index];
    return {
      name: node.name,
      role: node.role,
      site: node.site,
      address: found?.address ?? "",
      ready: found?.ready ?? false,
      version: found?.version ?? "",
      stage:
        stage === undefined
          ? { node: node.name, stage: "none", state: "unknown" }
          : summarizeStages(stage, now),
      path: paths.get(node.hostName) ?? "unknown",
    };
  });
  return { nodes, ...(kubernetes.problem === undefined ? {} : { problem: kubernetes.problem }) };
}

/** The nodes with what their memberships say: `up` has just waited for them, so nobody is asked again. */
export function recordedNodes(
  nodes: readonly { readonly name: string; readonly role: string; readonly site: string }[],
  resources: readonly Resource[],
): RecordedNode[] {
  const memberships = resources.filter(({ type }) => type === "homespan:index:Membership");
  return nodes.map(({ name, role, site }) => {
    const found = memberships.find(({ inputs }) => inputs?.["nodeName"] === name)?.outputs ?? {};
    const text = (key: string): string => (typeof found[key] === "string" ? found[key] : "");
    return {
      ...{ name, role, site },
      address: text("tailnetAddress"),
      ready: found["ready"] === true,
      version: text("kubeletVersion"),
    };
  });
}

export function nodeTable(nodes: readonly RecordedNode[]): string {
  return table(
    ["NODE", "ROLE", "SITE", "TAILNET ADDRESS", "STATUS", "VERSION"],
    nodes.map(({ name, role, site, address, ready, version }) => [
      name,
      role,
      site,
      address || "-",
      ready ? "Ready" : "NotReady",
      version || "-",
    ]),
  );
}

export function statusTable(nodes: readonly NodeRow[]): string {
  return table(
    ["NODE", "ROLE", "SITE", "STAGE", "STATUS", "TAILNET ADDRESS", "PATH"],
    nodes.map(({ name, role, site, stage, ready, address, path }) => [
      name,
      role,
      site,
      `${stage.stage} ${stage.state}`,
      ready ? "Ready" : "NotReady",
      address || "-",
      path,
    ]),
  );
}
