/** The ways into pods beside those from other pods, from nodes, the API server and NodePorts; and what is particular to routes. */
import { expect, test } from "vitest";
import type { Cluster } from "../support/cluster.ts";
import { connection } from "../support/netns.ts";
import { exec, stateOf, underlayAddress } from "../support/podman.ts";
import { allPairsTalk, probes } from "../support/probe.ts";
import { kill } from "../support/processes.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

const nodes = ["agent-1", "agent-2", "server-1"];
const port = 8080;
const nodePort = 30_080;

const service = `
apiVersion: v1
kind: Service
metadata: { name: probe-nodeport, namespace: probe }
spec:
  type: NodePort
  selector: { app: probe }
  ports: [{ port: ${port.toString()}, nodePort: ${nodePort.toString()} }]
`;

export function podNetworkSteps(cluster: Cluster): void {
  test("pods answer to every node and to the API server", async () => {
    const all = await probes(cluster, nodes);
    for (const node of nodes) {
      const pid = await cluster.networkPid(node);
      for (const { address, node: other } of all) {
        expect(await connection(pid, address, port), `${node} to a pod on ${other}`).toBe("open");
      }
    }
    for (const { pod, node } of all) {
      const path = `/api/v1/namespaces/probe/pods/${pod}:${port.toString()}/proxy/node`;
      expect((await cluster.kubectl(["get", "--raw", path])).trim()).toBe(node);
    }
  });

  test("a NodePort leads to pods on every node", async () => {
    await cluster.kubectl(["apply", "-f", "-"], { input: service });
    const neighbour = await cluster.networkPid("agent-2");
    const address = await underlayAddress(cluster.container("agent-1", "infra"));
    await eventually("the NodePort answers", 30, async () => {
      if ((await connection(neighbour, address, nodePort)) !== "open") throw new Error("it does not");
    });
    // Each goes to one of three pods.
    for (let index = 0; index < 12; index += 1) {
      expect(await connection(neighbour, address, nodePort)).toBe("open");
    }
    await cluster.kubectl(["delete", "service", "--namespace", "probe", "probe-nodeport"]);
  });

  test("nothing is let through before k3s's rules are asked, and routes stay, also once tailscaled was restarted", async () => {
    const asExpected = async (): Promise<void> => {
      for (const node of nodes) {
        const container = cluster.container(node, "k3s");
        const [first = ""] = (await exec(container, ["iptables", "-S", "FORWARD"]))
          .split("\n")
          .filter((line) => line.startsWith("-A"));
        expect(first, node).not.toContain("ts-forward");
        const routes = await exec(cluster.container(node, "tailscale"), [
          "ip",
          "route",
          "show",
          "table",
          "52",
        ]);
        expect(routes.match(/^10\.42\.\d+\.0\/24 dev tailscale0/gm), node).toHaveLength(nodes.length - 1);
      }
    };
    await asExpected();
    const k3s = await stateOf(cluster.container("agent-2", "k3s"));
    const { pid } = await stateOf(cluster.container("agent-2", "tailscale"));
    kill(pid);
    await timed("kill -9 of tailscaled until pods talk again, without VXLAN", () =>
      allPairsTalk(cluster, nodes, 60),
    );
    await eventually("all routes are there again", 60, asExpected);
    // Pods and k3s ran on.
    expect((await stateOf(cluster.container("agent-2", "k3s"))).pid).toBe(k3s.pid);
  });
}
