/** A pod on every node, to look at DNS and at traffic between all pairs of nodes from inside. */
import { readFileSync } from "node:fs";
import type { Cluster } from "./cluster.ts";
import { holds, podsOf } from "./kube.ts";
import { eventually } from "./wait.ts";

const manifest = readFileSync(new URL("probe.yaml", import.meta.url), "utf8");
const namespace = "probe";

interface Probe {
  readonly pod: string;
  readonly node: string;
  readonly address: string;
}

export async function applyProbe(cluster: Cluster): Promise<void> {
  await cluster.kubectl(["apply", "-f", "-"], { input: manifest });
}

/** Throws while one of them is not Ready. */
export async function probes(cluster: Cluster, nodes: readonly string[]): Promise<readonly Probe[]> {
  const pods = await podsOf(cluster, namespace);
  return nodes.map((node) => {
    const pod = pods.find((candidate) => candidate.spec.nodeName === node && holds(candidate, "Ready"));
    if (pod?.status.podIP === undefined) throw new Error(`no probe is Ready on ${node}`);
    return { pod: pod.metadata.name, node, address: pod.status.podIP };
  });
}

async function inside(cluster: Cluster, pod: string, script: string): Promise<string> {
  return cluster.kubectl(["exec", "--namespace", namespace, pod, "--", "busybox", "sh", "-c", script]);
}

/** Throws unless every node's pod fetches from every node's pod, by pod address. */
async function tryAllPairs(cluster: Cluster, nodes: readonly string[]): Promise<void> {
  const all = await probes(cluster, nodes);
  const script = all
    .map(
      ({ address, node }) =>
        `echo ${node}=$(busybox timeout 5 busybox wget -q -O - http://${address}:8080/node 2>&1)`,
    )
    .join("; ");
  const answers = await Promise.all(
    all.map(async ({ pod, node }) => {
      const lines = (await inside(cluster, pod, script)).trim().split("\n");
      return lines.map((line) => `${node} -> ${line}`);
    }),
  );
  const wrong = answers.flat().filter((line) => !/ -> (\S+)=\1$/.test(line));
  if (wrong.length > 0) throw new Error(`no traffic: ${wrong.join("; ")}`);
}

/** Waits until pods on all these nodes reach each other. */
export async function allPairsTalk(cluster: Cluster, nodes: readonly string[], seconds = 60): Promise<void> {
  await eventually(`pods on ${nodes.join(", ")} reach each other`, seconds, () =>
    tryAllPairs(cluster, nodes),
  );
}

/** Waits until the pod on each of these nodes resolves a service by its name through CoreDNS. */
export async function servicesResolve(
  cluster: Cluster,
  nodes: readonly string[],
  seconds = 60,
): Promise<void> {
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
