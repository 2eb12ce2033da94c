/** The drill: a snapshot, all servers deleted in the cloud, and the cluster back on new ones. */
import { expect, test } from "vitest";
import { upChangesNothing } from "../support/cluster.ts";
import { type KubeNode, holds, nodesOf, podsOf } from "../support/kube.ts";
import { everyPasswordKept } from "../support/node-passwords.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";
import { everyNodeOnce, rehearsedNodes, rehearsedServers } from "./rehearsal-creation.ts";
import { deleteInConsole } from "./rehearsal-loss.ts";

interface Taken {
  readonly name: string;
  readonly size: number;
  readonly where: string;
}

const namespace = "drill";

/** As a namespace with Pod Security `restricted` wants it. */
const confined = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };

/** Pods wherever there is room: those on the agent live through it all. */
const deployment = (image: string): string =>
  JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "survivor", namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "survivor" } },
      template: {
        metadata: { labels: { app: "survivor" } },
        spec: {
          terminationGracePeriodSeconds: 0,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65534,
            seccompProfile: { type: "RuntimeDefault" },
          },
          containers: [{ name: "sleep", image, command: ["sleep", "1000000"], securityContext: confined }],
        },
      },
    },
  });

/** The image of the stack's own pods: on every machine, also where no registry is reached. */
async function presentImage(stack: RehearsedStack): Promise<string> {
  const path = "jsonpath={.items[0].spec.template.spec.containers[0].image}";
  return stack.kubectl(["get", "deployments,daemonsets", "--namespace", "homespan-smoke", "-o", path]);
}

const exists = async (stack: RehearsedStack, name: string): Promise<boolean> =>
  (await stack.kubectl([
    "get",
    "configmap",
    name,
    "--namespace",
    namespace,
    "--ignore-not-found",
    "-o",
    "name",
  ])) !== "";

async function runningPods(stack: RehearsedStack): Promise<number> {
  return (await podsOf(stack, namespace, "app=survivor")).filter((pod) => holds(pod, "Ready")).length;
}

const uidOf = (nodes: readonly KubeNode[], name: string): string | undefined =>
  nodes.find(({ metadata }) => metadata.name === name)?.metadata.uid;

/** @param nodes of the stack; the servers' names begin with `server-` */
export function rehearsalRestore(
  stack: RehearsedStack,
  { nodes = rehearsedNodes, servers = rehearsedServers } = {},
): void {
  test("all servers are lost, and the cluster comes back from its bucket as it was at the snapshot", async () => {
    await stack.renewKubeconfig();
    await stack.kubectl(["create", "namespace", namespace]);
    await stack.kubectl(["create", "configmap", "before", "--namespace", namespace, "--from-literal=a=1"]);
    await stack.kubectl([
      "create",
      "secret",
      "generic",
      "kept",
      "--namespace",
      namespace,
      "--from-literal=a=drill-value",
    ]);
    await stack.kubectl(["apply", "-f", "-"], { input: deployment(await presentImage(stack)) });
    await eventually("the workload runs", 60, async () => {
      expect(await runningPods(stack)).toBe(2);
    });
    const before = { nodes: await nodesOf(stack), books: await stack.books() };

    const taken = await timed(
      "snapshot",
      async () => JSON.parse((await stack.homespan(["snapshot", stack.name, "--json"])).stdout) as Taken,
    );
    expect(taken.where).toMatch(new RegExp(`^s3://${stack.instance("etcd")}-[0-9a-f]{8}/${taken.name}$`));
    expect(taken.size).toBeGreaterThan(100_000);
    await stack.kubectl(["create", "configmap", "after", "--namespace", namespace, "--from-literal=a=2"]);
    for (const server of servers) await deleteInConsole(stack, server);

    const listed = await stack.homespan(["snapshot", stack.name, "list"]);
    expect(listed.stdout).toContain(taken.name);
    const restored = await timed("restore: all servers from a snapshot in the bucket", () =>
      stack.homespan(["restore", stack.name, "--yes"], { timeoutSeconds: 480 }),
    );
    expect(restored.output).toContain(`restoring ${stack.name} from ${taken.name}`);

    await stack.renewKubeconfig();
    expect(await exists(stack, "before")).toBe(true);
    expect(await exists(stack, "after")).toBe(false);
    const secret = await stack.kubectl([
      "get",
      "secret",
      "kept",
      "--namespace",
      namespace,
      "-o",
      "jsonpath={.data.a}",
    ]);
    expect(Buffer.from(secret, "base64").toString()).toBe("drill-value");
    await everyNodeOnce(stack, nodes);
    await eventually("the workload is back", 120, async () => {
      expect(await runningPods(stack)).toBe(2);
    });
    const after = { nodes: await nodesOf(stack), books: await stack.books() };
    for (const node of nodes) {
      const arn = ({ books }: typeof after): string | undefined => books.instances[stack.instance(node)]?.arn;
      if (servers.includes(node)) {
        expect(arn(after)).not.toBe(arn(before));
      } else {
        // The agent was not touched: same machine, same Node.
        expect(arn(after)).toBe(arn(before));
        expect(uidOf(after.nodes, node)).toBe(uidOf(before.nodes, node));
      }
    }
    await everyPasswordKept(stack, nodes);
  });

  test("a later up changes nothing of what was restored", async () => {
    await upChangesNothing(stack, "after a restore");
  });
}
