/** What Kubernetes knows of the network of pods, and how fast it is. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import type { Captured } from "./cluster.ts";
import { capture, withKubeconfig } from "./cluster.ts";
import type { Context } from "./context.ts";
import { Failure } from "./errors.ts";
import { smoke } from "./smoke-test.ts";
import type { FlannelNode, Throughput } from "./tailnet-paths.ts";

/** Annotations of a Node: where other nodes' flannel sends packets for its pods, and how. */
const flannelAnnotations = {
  publicIp: "flannel.alpha.coreos.com/public-ip",
  backend: "flannel.alpha.coreos.com/backend-type",
} as const;
/** flannel's backend that leaves the way to others (components/render/pod-network.ts). */
const routesBackend = "extension";
const port = 5201;
const sendSeconds = 2;
const limitSeconds = 5;
const script = readFileSync(new URL("pod-throughput.sh", import.meta.url), "utf8");

const metadataSchema = z.object({
  name: z.string(),
  annotations: z.record(z.string(), z.string()).default({}),
});
const nodesSchema = z.object({ items: z.array(z.object({ metadata: metadataSchema })) });
const podsSchema = z.object({
  items: z.array(
    z.object({
      metadata: metadataSchema,
      spec: z.object({ nodeName: z.string().default("") }),
      status: z.object({ phase: z.string().default(""), podIP: z.string().default("") }),
    }),
  ),
});

/** Runs `work` with a kubectl of the cluster. */
export async function withPodNetwork<T>(
  context: Context,
  kubeconfig: string,
  work: (network: PodNetwork) => Promise<T>,
): Promise<T> {
  return withKubeconfig(context, kubeconfig, (file) =>
    work(
      new PodNetwork((args, seconds) =>
        capture(context, "kubectl", ["--kubeconfig", file, ...args], seconds * 1000),
      ),
    ),
  );
}

type Kubectl = (args: readonly string[], seconds: number) => Promise<Captured>;

export class PodNetwork {
  readonly #kubectl: Kubectl;

  constructor(kubectl: Kubectl) {
    this.#kubectl = kubectl;
  }

  /** What flannel says of each node, by the node's name; or why the API did not say. */
  async flannelNodes(): Promise<ReadonlyMap<string, FlannelNode> | string> {
    const answer = await this.#kubectl(["get", "nodes", "-o", "json", "--request-timeout=5s"], limitSeconds);
    if (!answer.ok) return answer.text;
    const { items } = nodesSchema.parse(JSON.parse(answer.text));
    return new Map(
      items.map(({ metadata: { name, annotations } }) => [
        name,
        {
          flannelAddress: annotations[flannelAnnotations.publicIp] ?? "",
          podRoutes: annotations[flannelAnnotations.backend] === routesBackend,
        },
      ]),
    );
  }

  /**
   * Sends bytes over one TCP connection between pods on the nodes, pair after pair, so that none takes from another.
   *
   * @throws Failure when there are no pods to measure with.
   */
  async throughput(
    nodes: readonly string[],
    tell: (from: string, to: string) => void,
  ): Promise<readonly Throughput[]> {
    const pods = await this.#pods();
    const pairs = nodes.flatMap((from, index) => nodes.slice(index + 1).map((to) => ({ from, to })));
    const measured: Throughput[] = [];
    for (const { from, to } of pairs) {
      const [sender, receiver] = [pods.get(from), pods.get(to)];
      tell(from, to);
      measured.push({
        from,
        to,
        ...(sender !== undefined && receiver !== undefined
          ? await this.#measure(sender, receiver)
          : { problem: `no pod runs on ${sender === undefined ? from : to}` }),
      });
    }
    return measured;
  }

  /** Running ones, by the name of their node. */
  async #pods(): Promise<ReadonlyMap<string, Pod>> {
    const { namespace, label } = smoke;
    const question = ["get", "pods", "-n", namespace, "-l", label, "-o", "json", "--request-timeout=5s"];
    const answer = await this.#kubectl(question, limitSeconds);
    if (!answer.ok) throw new Failure(`the API did not say which pods there are: ${answer.text}`);
    const running = podsSchema
      .parse(JSON.parse(answer.text))
      .items.filter(({ status }) => status.phase === "Running" && status.podIP !== "");
    if (running.length === 0) {
      throw new Failure(
        `\`--throughput\` needs the pods of the smoke test, and none runs in namespace ${namespace}`,
      );
    }
    return new Map(
      running.map(({ metadata, spec, status }) => [
        spec.nodeName,
        { name: metadata.name, address: status.podIP },
      ]),
    );
  }

  async #measure(from: Pod, to: Pod): Promise<{ megabitsPerSecond: number } | { problem: string }> {
    const [received, sent] = await Promise.all([
      this.#exec(to, ["receive", String(port), String(limitSeconds)], limitSeconds + 1),
      this.#exec(from, ["send", to.address, String(port), String(sendSeconds)], limitSeconds),
    ]);
    const [began = NaN, ended = NaN] = sent.text.trim().split(" ").map(Number);
    const bytes = Number(received.text);
    const megabitsPerSecond = (bytes * 8) / 1e6 / (ended - began);
    if (sent.ok && received.ok && Number.isFinite(megabitsPerSecond)) {
      return { megabitsPerSecond: Number(megabitsPerSecond.toPrecision(3)) };
    }
    const words = (sent.ok ? received : sent).text.split("\n").at(-1);
    return { problem: words === undefined || words === "" ? "nothing arrived" : words };
  }

  #exec(pod: Pod, args: readonly string[], seconds: number): Promise<Captured> {
    const command = ["/bin/busybox", "sh", "-c", script, "sh", ...args];
    return this.#kubectl(["exec", "-n", smoke.namespace, pod.name, "--", ...command], seconds);
  }
}

interface Pod {
  readonly name: string;
  readonly address: string;
}
