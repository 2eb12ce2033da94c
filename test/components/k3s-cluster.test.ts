import { expect, test } from "vitest";
import { ClusterIdentity } from "../../components/k3s/cluster-identity.ts";
import { K3sCluster, type K3sClusterArgs } from "../../components/k3s/k3s-cluster.ts";
import { prepared } from "./support/prepared.ts";
import type { PodRoutes } from "../../components/render/pod-network.ts";
import { record, type Recording } from "./support/recorder.ts";
import { sampleHost, sampleTailnet } from "./support/samples.ts";

interface Shape {
  readonly servers: number;
  readonly datastore: K3sClusterArgs["datastore"];
  readonly published?: boolean;
  readonly podRoutes?: PodRoutes;
  /** Of all hosts. */
  readonly readySeconds?: number;
}

const run = ({ servers, datastore, published = true, podRoutes, readySeconds }: Shape): Promise<Recording> =>
  record(prepared, () => {
    const tailnet = sampleTailnet();
    const port = (index: number): number | undefined => (published ? 6443 + index : undefined);
    return new K3sCluster("cluster", {
      clusterName: "ci",
      identity: new ClusterIdentity("identity", { clusterName: "ci" }, {}),
      servers: Array.from({ length: servers }, (_, index) => ({
        host: { ...sampleHost(tailnet, `server-${String(index + 1)}`, "server", port(index)), readySeconds },
      })),
      agents: [
        {
          host: { ...sampleHost(tailnet, "agent-1", "agent"), readySeconds },
          labels: { "example.com/rack": "a" },
        },
      ],
      datastore,
      disable: ["traefik"],
      podRoutes,
    });
  });

interface JoinFile {
  readonly fresh: string;
  readonly initialised: string;
}

function joinFiles(
  recording: Recording,
): Record<string, { fresh: string; initialised: string; servers: string }> {
  const line = (text: string, key: string): string => new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";
  return Object.fromEntries(
    recording.ofType("homespan:index:NodeConfig").map((it) => {
      const { fresh, initialised } = it.inputs["joinFile"] as JoinFile;
      expect(line(fresh, "SERVERS")).toBe(line(initialised, "SERVERS"));
      const modes = { fresh: line(fresh, "MODE"), initialised: line(initialised, "MODE") };
      return [String(it.inputs["nodeName"]), { ...modes, servers: line(fresh, "SERVERS") }];
    }),
  );
}

const name = (node: string): string => `ci-${node}.ci.tailnet.internal`;

test("the first of three servers starts the cluster once, and joins the others ever after", async () => {
  expect(joinFiles(await run({ servers: 3, datastore: "etcd" }))).toEqual({
    "server-1": { fresh: "init", initialised: "join", servers: `${name("server-2")} ${name("server-3")}` },
    "server-2": { fresh: "join", initialised: "join", servers: `${name("server-1")} ${name("server-3")}` },
    "server-3": { fresh: "join", initialised: "join", servers: `${name("server-1")} ${name("server-2")}` },
    "agent-1": {
      fresh: "join",
      initialised: "join",
      servers: `${name("server-1")} ${name("server-2")} ${name("server-3")}`,
    },
  });
});

test("a lone server starts on SQLite, and has nobody to join afterwards", async () => {
  expect(joinFiles(await run({ servers: 1, datastore: "sqlite" }))).toEqual({
    "server-1": { fresh: "single", initialised: "join", servers: "" },
    "agent-1": { fresh: "join", initialised: "join", servers: name("server-1") },
  });
});

test("servers hold both tokens, agents only theirs, all of them secret", async () => {
  const recording = await run({ servers: 1, datastore: "sqlite" });
  for (const { inputs, secretOutputs } of recording.ofType("homespan:index:NodeConfig")) {
    expect(inputs["secretFiles"]).toBe("[secret]");
    expect(secretOutputs).toEqual(["secretFiles"]);
  }
});

test("etcd members are the servers of an etcd cluster", async () => {
  const etcd = async (shape: Shape): Promise<Record<string, unknown>> =>
    Object.fromEntries(
      (await run(shape))
        .ofType("homespan:index:Membership")
        .map((it) => [String(it.inputs["nodeName"]), it.inputs["etcd"]]),
    );
  expect(await etcd({ servers: 1, datastore: "sqlite" })).toEqual({ "server-1": false, "agent-1": false });
  expect(await etcd({ servers: 1, datastore: "etcd" })).toEqual({ "server-1": true, "agent-1": false });
});

test("a host that is slow is given the time it says", async () => {
  const waits = async (readySeconds?: number): Promise<unknown[]> => {
    const recording = await run({ servers: 1, datastore: "sqlite", ...(readySeconds && { readySeconds }) });
    return ["Kubeconfig", "Membership"].flatMap((type) =>
      recording.ofType(`homespan:index:${type}`).map(({ inputs }) => inputs["waitSeconds"]),
    );
  };
  expect(await waits()).toEqual([undefined, undefined, undefined]);
  expect(await waits(1800)).toEqual([1800, 1800, 1800]);
});

test("a membership knows every endpoint, its device and its labels", async () => {
  const { find } = await run({ servers: 3, datastore: "etcd" });
  expect(find("homespan:index:Membership", "agent-1-membership").inputs).toEqual({
    clusterName: "ci",
    nodeName: "agent-1",
    role: "agent",
    kubeconfig: "[secret]",
    endpoints: ["https://127.0.0.1:6443", "https://127.0.0.1:6444", "https://127.0.0.1:6445"],
    transport: { kind: "podman", container: "agent-1-steward" },
    identity: "volume-of-agent-1",
    etcd: false,
    labels: {
      "example.com/rack": "a",
      "homespan.dev/site": "home",
      "homespan.dev/substrate": "sample",
      "node-type": "sample",
    },
    tailnet: { kind: "headscale", container: "homespan-ci-headscale" },
    hostName: "ci-agent-1",
    tag: "tag:ci-agent",
  });
});

test("with routes to pods every node gets flannel's configuration, once the policy approves its route", async () => {
  const routes = await run({ servers: 1, datastore: "sqlite", podRoutes: { podCidr: "10.44.0.0/16" } });
  const vxlan = await run({ servers: 1, datastore: "sqlite" });
  const configs = (recording: Recording): ReturnType<Recording["ofType"]> =>
    recording.ofType("homespan:index:NodeConfig");
  const policy = routes.find("homespan:index:HeadscaleServer", "control").urn;
  expect(configs(routes)).toHaveLength(2);
  for (const { inputs, name: config, dependencies } of configs(routes)) {
    expect(dependencies, config).toContain(policy);
    const files = inputs["files"] as Record<string, string>;
    expect(files["etc/rancher/k3s/flannel.json"], config).toContain('"Network": "10.44.0.0/16"');
    expect((inputs["joinFile"] as JoinFile).initialised, config).toContain("POD_NETWORK=routes\n");
  }
  for (const { inputs, dependencies } of configs(vxlan)) {
    expect(dependencies).not.toContain(policy);
    expect(inputs["files"]).not.toHaveProperty(["etc/rancher/k3s/flannel.json"]);
  }
});

test("a server that publishes no API is a mistake of the program", async () => {
  await expect(run({ servers: 1, datastore: "sqlite", published: false })).rejects.toThrow(
    "`servers`: server-1 must publish its API, got no apiPort",
  );
});
