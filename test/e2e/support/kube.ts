/** Questions to the cluster's API, by kubectl, with as much of the answers' types as the tests read. */
import type { Cluster } from "./cluster.ts";

/** Whatever kubectl can be run on. */
type Asked = Pick<Cluster, "kubectl">;

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface KubeNode {
  readonly metadata: Metadata;
  readonly status: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime: string;
    }[];
    readonly addresses: readonly { readonly type: string; readonly address: string }[];
    readonly capacity: Readonly<Record<string, string>>;
    /** Of the machine's last start. */
    readonly nodeInfo: { readonly bootID: string };
  };
}

export interface KubePod {
  readonly metadata: Metadata;
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly state: { readonly running?: { readonly startedAt: string } };
    }[];
  };
}

interface List<T> {
  readonly items: readonly T[];
}

export function holds(object: KubeNode | KubePod, condition: string): boolean {
  return (object.status.conditions ?? []).some(({ type, status }) => type === condition && status === "True");
}

/** Since when a node is Ready, in milliseconds since 1970, to the second: known without having asked for it all the time. */
export function readySince(node: KubeNode): number {
  const ready = node.status.conditions.find(({ type, status }) => type === "Ready" && status === "True");
  if (ready === undefined) throw new Error(`${node.metadata.name} is not Ready`);
  return Date.parse(ready.lastTransitionTime);
}

export async function nodesOf(cluster: Asked, server?: string): Promise<readonly KubeNode[]> {
  const text = await cluster.kubectl(["get", "nodes", "-o", "json"], server === undefined ? {} : { server });
  return (JSON.parse(text) as List<KubeNode>).items;
}

export async function nodeOf(cluster: Asked, name: string, server?: string): Promise<KubeNode> {
  const node = (await nodesOf(cluster, server)).find(({ metadata }) => metadata.name === name);
  if (node === undefined) throw new Error(`no Node ${name}`);
  return node;
}

/** Pods of one namespace, or of all. */
export async function podsOf(
  cluster: Asked,
  namespace: string | undefined,
  selector?: string,
): Promise<readonly KubePod[]> {
  const where = namespace === undefined ? ["--all-namespaces"] : ["--namespace", namespace];
  const which = selector === undefined ? [] : ["--selector", selector];
  const text = await cluster.kubectl(["get", "pods", ...where, ...which, "-o", "json"]);
  return (JSON.parse(text) as List<KubePod>).items;
}

/** `name` of every Node that is Ready, sorted. */
export async function readyNodes(cluster: Asked, server?: string): Promise<string[]> {
  const nodes = await nodesOf(cluster, server);
  return nodes
    .filter((node) => holds(node, "Ready"))
    .map(({ metadata }) => metadata.name)
    .sort();
}

/** Names of k3s's node-password secrets; each belongs to a Node of the same name. */
export async function nodePasswords(cluster: Asked, server?: string): Promise<string[]> {
  const text = await cluster.kubectl(
    ["get", "secrets", "--namespace", "kube-system", "-o", "name"],
    server === undefined ? {} : { server },
  );
  return text.split("\n").filter((line) => line.endsWith(".node-password.k3s"));
}
