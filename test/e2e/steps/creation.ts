/** `up` from nothing, and what a user finds afterwards. */
import { expect, test } from "vitest";
import type { PodNetwork } from "../../../components/render/pod-network.ts";
import type { Cluster } from "../support/cluster.ts";
import { exec, underlayAddress } from "../support/podman.ts";
import { nodesOf, podsOf, readyNodes } from "../support/kube.ts";
import { connection } from "../support/netns.ts";
import { allPairsTalk, applyProbe, closeProbes, servicesResolve } from "../support/probe.ts";
import { deviceNames, statusOf } from "../support/tailnet.ts";
import { timed } from "../support/report.ts";
import { eventually } from "../support/wait.ts";

const nodes = ["agent-1", "agent-2", "server-1"];
const kubeletPort = 10250;

export function creation(cluster: Cluster, podNetwork: PodNetwork = "vxlan"): void {
  test("comes up from nothing with every node Ready", async () => {
    await cluster.up("1 server and 2 agents from nothing");
    expect(await readyNodes(cluster)).toEqual(nodes);
    cluster.usable = true;
  });

  test("has smoke pods Running on both sites when up returns", async () => {
    const sites = new Map(
      (await nodesOf(cluster)).map(({ metadata }) => [metadata.name, metadata.labels?.["homespan.dev/site"]]),
    );
    const smoke = (await podsOf(cluster, undefined)).filter(({ metadata }) =>
      metadata.name.startsWith("smoke"),
    );
    expect(smoke.map(({ status }) => status.phase)).toEqual(smoke.map(() => "Running"));
    expect(new Set(smoke.map(({ spec }) => sites.get(spec.nodeName ?? "")))).toEqual(
      new Set(["cloud", "home"]),
    );
  });

  test("answers on loopback with the kubeconfig it gives out", async () => {
    const listed = await cluster.userKubectl(["get", "nodes", "-o", "name"]);
    for (const node of nodes) expect(listed.stdout).toContain(`node/${node}`);
  });

  test("shows every node in status", async () => {
    const status = await cluster.homespan("status");
    for (const node of nodes) expect(status.stdout).toContain(node);
  });

  test("resolves services on both sites and carries pod traffic between all nodes", async () => {
    await applyProbe(cluster);
    await timed("probe pods reach each other and resolve a service", async () => {
      await allPairsTalk(cluster, nodes, 90);
      await servicesResolve(cluster, nodes);
    });
  });

  test("has kubelets that report often enough for k3s to begin with NetworkPolicies within a minute", async () => {
    for (const node of nodes) {
      const read = await cluster.kubectl(["get", "--raw", `/api/v1/nodes/${node}/proxy/configz`]);
      expect(JSON.parse(read), node).toMatchObject({ kubeletconfig: { nodeStatusReportFrequency: "30s" } });
    }
  });

  test("enforces a NetworkPolicy between pods of all nodes", async () => {
    await timed("a policy closes a port of every probe", () => closeProbes(cluster, nodes));
  });

  test("has tailnet addresses as node addresses and the MTU that fits the tailnet", async () => {
    for (const node of await nodesOf(cluster)) {
      const internal = node.status.addresses.find(({ type }) => type === "InternalIP");
      expect(internal?.address, node.metadata.name).toMatch(/^100\./);
    }
    const [device, fitting] = podNetwork === "vxlan" ? ["flannel.1", "1230"] : ["cni0", "1280"];
    for (const node of nodes) {
      const mtu = await exec(cluster.container(node, "k3s"), ["cat", `/sys/class/net/${device}/mtu`]);
      expect(mtu.trim(), node).toBe(fitting);
    }
    expect(await deviceNames(cluster)).toEqual(nodes.map((node) => `${cluster.name}-${node}`));
  });

  test("keeps home unreachable from cloud, cloud reachable from home, and the tailnet path direct", async () => {
    const home = await underlayAddress(cluster.container("agent-1", "infra"));
    const cloud = await underlayAddress(cluster.container("server-1", "infra"));
    const [server, agent, neighbour] = await Promise.all([
      cluster.networkPid("server-1"),
      cluster.networkPid("agent-1"),
      cluster.networkPid("agent-2"),
    ]);
    // The neighbour's connection shows that the port answers at all at home's own address.
    expect(await connection(neighbour, home, kubeletPort)).toBe("open");
    expect(await connection(server, home, kubeletPort)).toBe("silent");
    expect(await connection(agent, cloud, kubeletPort)).toBe("open");

    const peerHost = `${cluster.name}-server-1`;
    await eventually("a direct tailnet path from home to cloud", 30, async () => {
      await exec(cluster.container("agent-1", "tailscale"), ["tailscale", "ping", "--c", "3", peerHost]);
      const { Peer } = await statusOf(cluster, "agent-1");
      const server = Object.values(Peer ?? {}).find(({ HostName }) => HostName === peerHost);
      if (server === undefined || server.CurAddr === "") throw new Error("relayed");
    });
  });
}
