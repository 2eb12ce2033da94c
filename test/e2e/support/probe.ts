/** A pod on every node, to look at DNS and at traffic between all pairs of nodes from inside. */
import { readFileSync } from "node:fs";
import type { Cluster } from "./cluster.ts";
import { holds, podsOf } from "./kube.ts";
import { eventually } from "./wait.ts";

/** Whatever kubectl can be run on. */
type Asked = Pick<Cluster, "kubectl">;

const manifest = readFileSync(new URL("probe.yaml", import.meta.url), "utf8");
const policy = readFileSync(new URL("probe-policy.yaml", import.meta.url), "utf8");
/** What the policy leaves open, and what it closes. */
const ports = { open: 8080, closed: 8081 };
const namespace = "probe";

interface Probe {
  readonly pod: string;
  readonly node: string;
  readonly address: string;
}

export async function applyProbe(cluster: Asked): Promise<void> {
  await cluster.kubectl(["apply", "-f", "-"], { input: manifest });
}

/** Throws while one of them is not Ready. */
export async function probes(cluster: Asked, nodes: readonly string[]): Promise<readonly Probe[]> {
  const pods = await podsOf(cluster, namespace);
  return nodes.map((node) => {
    const pod = pods.find((candidate) => candidate.spec.nodeName === node && holds(candidate, "Ready"));
    if (pod?.status.podIP === undefined) throw new Error(`no probe is Ready on ${node}`);
    return { pod: pod.metadata.name, node, address: pod.status.podIP };
  });
}

async function inside(cluster: Asked, pod: string, script: string): Promise<string> {
  return cluster.kubectl(["exec", "--namespace", namespace, pod, "--", "busybox", "sh", "-c", script]);
}

interface Answer {
  readonly from: string;
  readonly to: string;
  /** The name of the node that was asked, or why there is none. */
  readonly text: string;
}

/** What every node's pod gets of every node's pod, by pod address. */
async function answers(cluster: Asked, nodes: readonly string[], port: number): Promise<Answer[]> {
  const all = await probes(cluster, nodes);
  const script = all
    .map(
      ({ address, node }) =>
        `echo ${node}=$(busybox timeout 5 busybox wget -q -O - http://${address}:${String(port)}/node 2>&1)`,
    )
    .join("; ");
  const asked = all.map(async ({ pod, node: from }) => {
    const lines = (await inside(cluster, pod, script)).trim().split("\n");
    return lines.map((line) => {
      const [to = "", text = ""] = line.split(/=(.*)/s);
      return { from, to, text };
    });
  });
  return (await Promise.all(asked)).flat();
}

const described = (wrong: readonly Answer[]): string =>
  wrong.map(({ from, to, text }) => `${from} -> ${to}=${text}`).join("; ");

/** Waits until pods on all these nodes reach each other. */
export async function allPairsTalk(
  cluster: Asked,
  nodes: readonly string[],
  seconds = 60,
  port = ports.open,
): Promise<void> {
  await eventually(`pods on ${nodes.join(", ")} reach each other`, seconds, async () => {
    const wrong = (await answers(cluster, nodes, port)).filter(({ to, text }) => text !== to);
    if (wrong.length > 0) throw new Error(`no traffic: ${described(wrong)}`);
  });
}

/** Closes one port of every probe to all pods; it must have answered before. */
export async function closeProbes(cluster: Asked, nodes: readonly string[]): Promise<void> {
  await allPairsTalk(cluster, nodes, 60, ports.closed);
  await cluster.kubectl(["apply", "-f", "-"], { input: policy });
  await eventually("the policy closes the probes' port", 60, () => pairsAreClosed(cluster, nodes));
  await allPairsTalk(cluster, nodes);
}

/** Throws while the closed port of a pod answers a pod of another node. */
export async function pairsAreClosed(cluster: Asked, nodes: readonly string[]): Promise<void> {
  const all = await answers(cluster, nodes, ports.closed);
  const open = all.filter(({ from, to, text }) => from !== to && text === to);
  if (open.length > 0) throw new Error(`let through: ${described(open)}`);
}

/** Waits until the pod on each of these nodes resolves a service by its name through CoreDNS. */
export async function servicesResolve(cluster: Asked, nodes: readonly string[], seconds = 60): Promise<void> {
  const service = `probe.${namespace}.svc.cluster.local`;
  await eventually(`${service} resolves on ${nodes.join(", ")}`, seconds, async () => {
    const address = await cluster.kubectl([
      "get",
      "service",
      "--namespace",
      namespace,
      "probe",
      "--output",
      "jsonpath={.spec.clusterIP}",
    ]);
    for (const { pod, node } of await probes(cluster, nodes)) {
      const answer = await inside(cluster, pod, `busybox nslookup ${service}`);
      if (!answer.includes(address)) throw new Error(`on ${node}: ${answer}`);
    }
  });
}
