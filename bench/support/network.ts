/** Networks of nodes and pods, entered from this machine, and the measurement between two of them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { clusterObjectName } from "../../components/render/names.ts";
import { run } from "./command.ts";
import type { HomespanCluster } from "./homespan.ts";

/** A network namespace and the address it is reached at. */
export interface Network {
  readonly namespace: string;
  readonly address: string;
}

export interface Measured {
  readonly megabitsPerSecond: number;
  readonly roundTripMilliseconds: number;
}

const program = new URL("link.ts", import.meta.url).pathname;

async function pidOf(container: string): Promise<string> {
  return (await run("podman", ["inspect", "--format", "{{.State.Pid}}", container])).stdout.trim();
}

/** A node's own network, reached at its tailnet address. */
export async function nodeNetwork(cluster: HomespanCluster, node: string): Promise<Network> {
  const pid = await pidOf(cluster.container(node, "k3s"));
  const path = "jsonpath={.status.addresses[?(@.type=='InternalIP')].address}";
  const address = await cluster.kubectl(["get", "node", node, "-o", path]);
  return { namespace: `/proc/${pid}/ns/net`, address: address.trim() };
}

/** Sets the tailnet's policy, until the next `up` finds another than its own. */
export async function setPolicy(cluster: HomespanCluster, policy: object): Promise<void> {
  const container = clusterObjectName(cluster.name, "headscale");
  const command = ["headscale", "policy", "set", "--file", "/dev/stdin"];
  await run("podman", ["exec", "--interactive", container, ...command], { input: JSON.stringify(policy) });
}

/** A device of a node and what it is called on that network. */
export interface SiteAddress {
  readonly device: string;
  readonly address: string;
  /** Its subnet, as `ip` names it. */
  readonly network: string;
}

interface Route {
  readonly dst: string;
  readonly dev: string;
  readonly prefsrc?: string;
}

/** Where the node stands on its site's LAN: its one connected network beside the tailnet and the pods. */
export async function siteAddress({ namespace }: Network): Promise<SiteAddress> {
  const ip = ["ip", "-json", "-4", "route", "show", "table", "main", "scope", "link"];
  const { stdout } = await run("nsenter", [`--net=${namespace}`, "--", ...ip]);
  const routes = (JSON.parse(stdout) as readonly Route[]).filter(
    ({ dev }) => !["tailscale0", "cni0", "flannel.1"].includes(dev),
  );
  const [route, ...others] = routes;
  if (route?.prefsrc === undefined || others.length > 0) {
    throw new Error(`a node must be on one LAN, got ${JSON.stringify(routes)}`);
  }
  return { device: route.dev, address: route.prefsrc, network: route.dst };
}

interface Sandboxes {
  readonly items: readonly { readonly id: string }[];
}

interface Sandbox {
  readonly status: { readonly network: { readonly ip: string } };
  readonly info: {
    readonly runtimeSpec: {
      readonly linux: { readonly namespaces: readonly { readonly type: string; readonly path?: string }[] };
    };
  };
}

/** The network of the first pod of a Kubernetes namespace on a node. */
export async function podNetwork(
  cluster: HomespanCluster,
  node: string,
  kubernetesNamespace: string,
): Promise<Network> {
  const crictl = async (args: readonly string[]): Promise<string> =>
    cluster.inNode(node, ["crictl", ...args]);
  const listed = await crictl(["pods", "--namespace", kubernetesNamespace, "--state", "ready", "-o", "json"]);
  const [first] = (JSON.parse(listed) as Sandboxes).items;
  if (first === undefined) throw new Error(`no pod of ${kubernetesNamespace} on ${node}`);
  const { status, info } = JSON.parse(await crictl(["inspectp", "-o", "json", first.id])) as Sandbox;
  const path = info.runtimeSpec.linux.namespaces.find(({ type }) => type === "network")?.path;
  if (path === undefined) throw new Error(`the pod on ${node} has no network of its own`);
  // The path is one of the node's file system, which this machine sees below the node's process.
  const pid = await pidOf(cluster.container(node, "k3s"));
  // A symbolic link on the way (/var/run) would lead out of that file system again.
  const direct = path.replace(/^\/var\/run\//, "/run/");
  return { namespace: `/proc/${pid}/root${direct}`, address: status.network.ip };
}

function inside(network: Network, args: readonly string[]): string[] {
  return [`--net=${network.namespace}`, "--", process.execPath, program, ...args];
}

/** One TCP connection: ten seconds of bytes one way, then 500 round trips of one byte, of which the median counts. */
export async function measure(from: Network, to: Network): Promise<Measured> {
  const server = spawn("nsenter", inside(to, ["serve"]), { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const ended = once(server, "exit").then(() => {
      throw new Error(`nothing listens in ${to.namespace}`);
    });
    ended.catch(() => undefined);
    const [announced] = (await Promise.race([once(server.stdout, "data"), ended])) as [Buffer];
    const port = announced.toString().trim();
    const { stdout } = await run("nsenter", inside(from, ["measure", to.address, port, "10"]));
    return JSON.parse(stdout) as Measured;
  } finally {
    server.kill("SIGKILL");
  }
}
