/** Servers leave etcd: who counts, what is stopped, and what is refused before anything is changed. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nodeAccess } from "../../provider/effects/node-access.ts";
import { signsOfLife } from "../../provider/effects/signs-of-life.ts";
import { SshFailure } from "../../provider/effects/ssh-failure.ts";
import type { SshTransport } from "../../provider/schema/common.ts";
import { fakeNode } from "./fake-kubernetes.ts";
import { Harness, runHeadscale, runSteward, secret, stewardOf, transportOf } from "./harness.ts";

const endpointOf = (name: string): string => `https://127.0.0.1:644${name.replace("server-", "")}`;
const servers = ["server-1", "server-2", "server-3", "server-4"];
const member = (nodeName: string, among = servers) => ({
  clusterName: "ci",
  nodeName,
  role: "server",
  kubeconfig: secret("kubeconfig"),
  endpoints: among.map(endpointOf),
  ownEndpoint: endpointOf(nodeName),
  transport: transportOf(nodeName),
  identity: "v1",
  etcd: true,
  labels: {},
  tailnet: { kind: "headscale", container: "homespan-ci-headscale" },
  hostName: `ci-${nodeName}`,
  tag: "tag:ci-server",
  waitSeconds: 20,
  drainSeconds: 10,
});

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
  runHeadscale(h);
});
afterEach(() => {
  h.stop();
});

/** Has these servers run, and vote; returns the states of their memberships. */
async function run(names: readonly string[]) {
  const states = new Map<string, Awaited<ReturnType<typeof h.create>>["state"]>();
  for (const name of names) {
    h.kubernetes.nodes.set(name, fakeNode(name, { etcd: true }));
    runSteward(h, name);
  }
  for (const name of names) {
    states.set(name, (await h.create("Membership", member(name, [...names]))).state);
  }
  return { remove: (name: string) => h.delete("Membership", states.get(name) ?? {}), states };
}

/** The machine of that server has ended. */
function end(name: string): void {
  h.podman.containers.delete(stewardOf(name));
  h.kubernetes.nodes.set(name, fakeNode(name, { etcd: true, ready: false }));
}

/** Has the cluster become one of server-1 alone. */
async function shrink(cluster: Awaited<ReturnType<typeof run>>): Promise<void> {
  const alone = member("server-1", ["server-1"]);
  await h.diff("Membership", cluster.states.get("server-1") ?? {}, alone);
}

const stopsOf = (name: string): string[] => [
  `${stewardOf(name)} /usr/lib/homespan/k3s-stop`,
  `stop --ignore --time=30 homespan-ci-${name}-k3s`,
];
const stops = (): string[] =>
  [...h.podman.execs, ...h.podman.commands].filter((line) => /k3s-stop|^stop /.test(line));

describe("a voter that is dead", () => {
  it("counts: what etcd needs beside it is not stopped before it left", async () => {
    const cluster = await run(servers);
    end("server-4");
    await shrink(cluster);
    let before: string[] | undefined;
    h.kubernetes.leaving = () => (before ??= stops());
    await cluster.remove("server-2");
    expect(before).toEqual([]);
    expect(stops()).toEqual(stopsOf("server-2"));
  });

  it("keeps a server whose going would cost etcd its quorum, untouched, and leads to what helps", async () => {
    const cluster = await run(["server-1", "server-2", "server-3"]);
    end("server-3");
    await shrink(cluster);
    await expect(cluster.remove("server-2")).rejects.toThrow(
      "server-2 must not be removed: of the remaining etcd voters 1 would be Ready, 2 are needed: server-1 (Ready), " +
        "server-3 (not Ready). Start server-3 again, or remove it first; then run again",
    );
    expect(h.kubernetes.nodes.get("server-2")?.spec.unschedulable).toBeUndefined();
    await cluster.remove("server-3");
    await cluster.remove("server-2");
    expect([...h.kubernetes.nodes.keys()]).toEqual(["server-1"]);
  });

  it("does not take those with it that k3s had no time to ask after it", async () => {
    const cluster = await run(["server-1", "server-2", "server-3"]);
    end("server-1");
    h.kubernetes.nodes.set("server-2", fakeNode("server-2", { etcd: true, member: "Unhealthy" }));
    h.kubernetes.nodes.set("server-3", fakeNode("server-3", { etcd: true, member: "Unhealthy" }));
    await cluster.remove("server-1");
    expect([...h.kubernetes.nodes.keys()]).toEqual(["server-2", "server-3"]);
  });
});

describe("a member that has left", () => {
  const removed = "etcd.k3s.cattle.io/removed-node-name";
  const current = "etcd.k3s.cattle.io/node-name";
  /** k3s says for up to 15 s more that it votes. */
  const leave = (name: string): void => {
    const { [current]: left = "", ...rest } = h.kubernetes.nodes.get(name)?.metadata.annotations ?? {};
    const node = fakeNode(name, { etcd: true, ready: false });
    node.metadata.annotations = { ...rest, [removed]: left };
    h.kubernetes.nodes.set(name, node);
  };

  it("is no voter any more, whatever k3s still says", async () => {
    const cluster = await run(["server-1", "server-2", "server-3"]);
    await shrink(cluster);
    leave("server-3");
    await cluster.remove("server-2");
    expect([...h.kubernetes.nodes.keys()]).toEqual(["server-1", "server-3"]);
  });

  it("is none either while its k3s, about to end, writes its old name back", async () => {
    const cluster = await run(["server-1", "server-2", "server-3"]);
    await shrink(cluster);
    leave("server-3");
    const annotations = h.kubernetes.nodes.get("server-3")?.metadata.annotations ?? {};
    annotations[current] = annotations[removed] ?? "";
    await cluster.remove("server-2");
    expect([...h.kubernetes.nodes.keys()]).toEqual(["server-1", "server-3"]);
  });

  it("and has joined again is removed again: what confirmed the first removal does not confirm the second", async () => {
    const cluster = await run(["server-1", "server-2", "server-3"]);
    const annotations = h.kubernetes.nodes.get("server-3")?.metadata.annotations ?? {};
    annotations[removed] = "server-3-0000";
    const left: unknown[] = [];
    const forget = h.kubernetes.nodes.delete.bind(h.kubernetes.nodes);
    h.kubernetes.nodes.delete = (name) => {
      left.push(h.kubernetes.nodes.get(name)?.metadata.annotations?.[removed]);
      return forget(name);
    };
    await cluster.remove("server-3");
    expect(left).toEqual(["server-3-1234"]);
  });
});

describe("a server to which SSH does not lead", () => {
  const transport: SshTransport = {
    kind: "ssh",
    address: "203.0.113.10",
    port: 22,
    user: "admin",
    privateKey: "PEM",
    hostKey: "ssh-ed25519 AAAA",
  };
  const ssh = { ...member("server-3", ["server-1", "server-2", "server-3"]), transport: secret(transport) };
  const removal = async (): Promise<void> => {
    await run(["server-1", "server-2"]);
    h.kubernetes.nodes.set("server-3", fakeNode("server-3", { etcd: true }));
    const { state } = await h.create("Membership", ssh);
    vi.spyOn(h.ssh, "run").mockRejectedValue(new SshFailure(transport, "silent", "no answer within 5 s"));
    h.kubernetes.calls.length = 0;
    await h.delete("Membership", state);
  };

  it("is not taken for one that ended while its own API answers: nothing of it is touched", async () => {
    await expect(removal()).rejects.toThrow(
      "server-3 was left as it is: SSH does not lead to it (admin@203.0.113.10:22), but its k3s runs: " +
        "https://127.0.0.1:6443 says ready. Let SSH in from here (a firewall's rules, on Lightsail `sshAllowedCidrs`), or " +
        "stop k3s there (k3s-stop), and run again",
    );
    expect(h.kubernetes.calls.filter((call) => !call.startsWith("GET"))).toEqual([]);
  });

  it("is removed when its API is silent too", async () => {
    h.kubernetes.answering = new Set(["server-1", "server-2"].map(endpointOf));
    await removal();
    expect(h.kubernetes.nodes.has("server-3")).toBe(false);
  });

  it("is not waited for where its API takes the question and never answers", async () => {
    const nodes = nodeAccess(h.podman, h.ssh, h.clock);
    vi.spyOn(h.ssh, "run").mockRejectedValue(new SshFailure(transport, "silent", "no answer within 5 s"));
    h.kubernetes.connect = () => Promise.resolve({ call: () => new Promise(() => undefined) });
    const leaving = { ...member("server-3"), kubeconfig: "kubeconfig", transport };
    expect(await signsOfLife(nodes, h.kubernetes, leaving, 20)).toEqual({ gone: true, runs: false });
  });
});
