import { expect, test } from "vitest";
import { parse } from "yaml";
import { checkCiConfig, type CiConfig } from "../../stacks/ci-config.ts";
import { ciStack, type CiMachine } from "../../stacks/ci.ts";
import { prepared, secrets } from "../components/support/prepared.ts";
import { record, type Recording } from "../components/support/recorder.ts";
import { tree, waitsFor } from "./tree.ts";

const machine: CiMachine = {
  restrictions: { cgroupV1: false, noSysResource: false, userNamespace: false },
  socketsDirectory: "/run/homespan",
  imagesDirectory: "/cache/images/cluster",
  stewardRevision: "r1",
};

function config(values: Record<string, string> = {}): CiConfig {
  const { config, problems } = checkCiConfig({ stackName: "ci", topology: "ci", values });
  if (config === undefined) {
    throw new Error(problems.map((it) => it.rule).join("\n"));
  }
  return config;
}

type CiRecording = Recording & { readonly outputs: unknown };
const recordings = new Map<string, Promise<CiRecording>>();

/** Runs the stack with these settings; runs with the same settings are one. */
function run(values: Record<string, string> = {}): Promise<CiRecording> {
  const key = JSON.stringify(values);
  const recording = recordings.get(key) ?? record(prepared, () => ciStack(config(values), machine));
  recordings.set(key, recording);
  return recording;
}

test("one server and two agents: the whole tree", async () => {
  expect(tree(await run())).toMatchSnapshot();
});

test("three servers and two agents: the whole tree", async () => {
  expect(tree(await run({ servers: "3" }))).toMatchSnapshot();
});

test("with a registry: the whole tree", async () => {
  expect(tree(await run({ registryPort: "5001" }))).toMatchSnapshot();
});

test("every node pulls from the registry, which stands where both sites reach it", async () => {
  const { find, ofType, outputs } = await run({ registryPort: "5001" });
  expect(find("homespan:index:RegistryServer", "registry-server").inputs).toMatchObject({
    ...{ clusterName: "ci", networkName: "homespan-ci-wan", address: "10.90.0.11", hostPort: 5001 },
    image: "docker.io/library/registry:3.1.2",
  });
  const configs = ofType("homespan:index:NodeConfig");
  expect(configs).toHaveLength(3);
  for (const { inputs, name } of configs) {
    const files = inputs["files"] as Record<string, string>;
    expect(parse(files["etc/rancher/k3s/registries.yaml"] ?? ""), name).toEqual({
      mirrors: { "localhost:5001": { endpoint: ["http://10.90.0.11:5000"] } },
    });
    expect(files, name).toHaveProperty(["etc/rancher/k3s/config.yaml"]);
  }
  expect(outputs).toMatchObject({ registry: "localhost:5001" });
});

test("mirrors are told to every node, beside the registry of the cluster or without one", async () => {
  const told = ({ ofType }: Recording): unknown[] =>
    ofType("homespan:index:NodeConfig").map(({ inputs }) => {
      const files = inputs["files"] as Record<string, string>;
      return parse(files["etc/rancher/k3s/registries.yaml"] ?? "") as unknown;
    });
  const registryMirrors = JSON.stringify({ "docker.io": ["https://mirror.example.com"] });
  const mirrors = { "docker.io": { endpoint: ["https://mirror.example.com"] } };
  expect(told(await run({ registryMirrors }))).toEqual([{ mirrors }, { mirrors }, { mirrors }]);
  const both = { mirrors: { ...mirrors, "localhost:5001": { endpoint: ["http://10.90.0.11:5000"] } } };
  expect(told(await run({ registryMirrors, registryPort: "5001" }))).toEqual([both, both, both]);
});

test("a registry changes files of the nodes alone: no machine is made anew for it", async () => {
  const inputs = ({ ofType }: Recording): string =>
    JSON.stringify(ofType("homespan:index:StewardNode").map((it) => it.inputs));
  expect(inputs(await run({ registryPort: "5001" }))).toBe(inputs(await run()));
});

test("no secret is in any input outside a secret, and what carries one is marked", async () => {
  const { registrations, find } = await run({ servers: "3", registryPort: "5001" });
  for (const registration of registrations) {
    const inputs = JSON.stringify(registration.inputs);
    for (const secret of Object.values(secrets)) {
      expect(inputs, registration.urn).not.toContain(secret);
    }
  }
  expect(find("homespan:index:StewardLogin", "agent-1-login").inputs["authKey"]).toBe("[secret]");
  expect(find("homespan:index:NodeConfig", "server-1-config").inputs["secretFiles"]).toBe("[secret]");
  expect(find("homespan:index:Membership", "agent-2-membership").inputs["kubeconfig"]).toBe("[secret]");
  expect(find("pulumi:providers:kubernetes", "cluster").inputs["kubeconfig"]).toBe("[secret]");
  expect(find("homespan:index:ClusterIdentity", "identity").secretOutputs).toEqual([
    "serverToken",
    "agentToken",
  ]);
});

test("what waits for what", async () => {
  const recording = await run({ servers: "3" });
  const { find } = recording;
  const waits = (type: string, name: string): Set<string> =>
    waitsFor(recording, find(`homespan:index:${type}`, name));
  const urn = (type: string, name: string): string => find(`homespan:index:${type}`, name).urn;

  expect(waits("HeadscaleServer", "tailnet-server")).toContain(urn("SiteNetwork", "wan"));
  expect(waits("HeadscaleKey", "agent-1-key")).toContain(urn("HeadscaleServer", "tailnet-server"));
  expect(waits("HeadscaleKey", "agent-1-key")).toContain(urn("StewardVolume", "agent-1-volume"));
  expect(waits("StewardLogin", "agent-1-login")).toContain(urn("HeadscalePolicy", "tailnet-policy"));
  expect(waits("StewardLogin", "agent-1-login")).toContain(urn("HeadscaleKey", "agent-1-key"));
  expect(waits("StewardLogin", "agent-1-login")).toContain(urn("StewardNode", "agent-1-machine"));
  // Made while the control server starts.
  expect(waits("StewardNode", "agent-1-machine")).not.toContain(urn("HeadscaleServer", "tailnet-server"));
  expect(waits("StewardNode", "agent-1-machine")).toContain(urn("PodmanService", "podman"));
  expect(waits("NodeConfig", "agent-1-config")).toContain(urn("StewardNode", "agent-1-machine"));
  for (const server of ["server-1", "server-2", "server-3"]) {
    expect(waits("Kubeconfig", "cluster-kubeconfig")).toContain(urn("NodeConfig", `${server}-config`));
  }
  expect(waits("Membership", "agent-1-membership")).toContain(urn("Kubeconfig", "cluster-kubeconfig"));
  expect(waits("Membership", "agent-1-membership")).toContain(urn("NodeConfig", "agent-1-config"));
});

test("without root kubelet is told, and the home's rule waits for the container that keeps its namespace", async () => {
  const restrictions = { ...machine.restrictions, userNamespace: true };
  const rootless = { ...machine, restrictions, socketsDirectory: "/run/user/1000/homespan" };
  const recording = await record(prepared, () => ciStack(config(), rootless));
  const { find } = recording;
  const server = find("homespan:index:HeadscaleServer", "tailnet-server").urn;
  expect(waitsFor(recording, find("homespan:index:SiteNetwork", "home"))).toContain(server);
  expect(waitsFor(recording, find("homespan:index:StewardNode", "server-1-machine"))).not.toContain(server);
  expect(find("homespan:index:PodmanService", "podman").inputs["socketDirectory"]).toBe(
    "/run/user/1000/homespan/ci",
  );
  const files = find("homespan:index:NodeConfig", "agent-1-config").inputs["files"] as Record<string, string>;
  expect(parse(files["etc/rancher/k3s/config.yaml"] ?? "")).toMatchObject({
    "kubelet-arg": ["feature-gates=KubeletInUserNamespace=true"],
  });
});

test("pods are asked for once every node is a member", async () => {
  const recording = await run({ servers: "3" });
  const deployment = recording.find("kubernetes:apps/v1:Deployment", "smoke-deployment");
  for (const membership of recording.ofType("homespan:index:Membership")) {
    expect(deployment.dependencies).toContain(membership.urn);
  }
});

test("no machine waits for another machine: all boot at the same time", async () => {
  const recording = await run({ servers: "3" });
  const machines = recording.ofType("homespan:index:StewardNode");
  const configs = recording.ofType("homespan:index:NodeConfig");
  for (const registration of [...machines, ...configs]) {
    const waits = waitsFor(recording, registration);
    const own = registration.name.replace(/-config$/, "-machine");
    const others = machines.filter((it) => it.urn !== registration.urn && it.name !== own);
    expect(
      others.filter((it) => waits.has(it.urn)).map((it) => it.name),
      registration.name,
    ).toEqual([]);
  }
});

test("a whole-stack destroy skips drains, file removal and in-cluster deletes", async () => {
  const recording = await run();
  const anchor = recording.find("homespan:index:ClusterAnchor", "cluster-anchor").urn;
  const inCluster = recording.registrations.filter(
    (it) => it.type.startsWith("kubernetes:") || it.type === "homespan:index:Membership",
  );
  expect(inCluster).toHaveLength(6);
  for (const registration of inCluster) {
    expect(registration.deletedWith, registration.urn).toBe(anchor);
  }
  for (const config of recording.ofType("homespan:index:NodeConfig")) {
    expect(config.deletedWith).toContain(config.name.replace(/-config$/, "-machine"));
  }
});

test("what is replaced under the same name is deleted first", async () => {
  const recording = await run();
  for (const type of ["StewardNode", "HeadscaleKey", "NodeConfig", "Membership"]) {
    for (const registration of recording.ofType(`homespan:index:${type}`)) {
      expect(registration.deleteBeforeReplace, registration.urn).toBe(true);
    }
  }
});

test("the volume is the identity of key, machine, login, configuration and membership", async () => {
  const { registrations } = await run();
  const identities = registrations.filter((it) => "identity" in it.inputs && it.name.startsWith("agent-1"));
  expect(identities.map((it) => it.inputs["identity"])).toEqual(
    Array.from({ length: 5 }, () => "volume-of-agent-1"),
  );
});

test("home is closed to the cloud and to the wide area, the cloud to nobody", async () => {
  const { find } = await run();
  expect(find("homespan:index:SiteNetwork", "home").inputs["denyFromSubnets"]).toEqual([
    "10.90.1.0/24",
    "10.90.0.0/24",
  ]);
  expect(find("homespan:index:SiteNetwork", "cloud").inputs["denyFromSubnets"]).toEqual([]);
});

test("each server publishes its API on a port of its own, agents publish nothing", async () => {
  const { ofType } = await run({ servers: "3", apiPort: "7000" });
  const published = Object.fromEntries(
    ofType("homespan:index:StewardNode").map((it) => [String(it.inputs["nodeName"]), it.inputs["publish"]]),
  );
  expect(published).toEqual({
    "server-1": [{ hostPort: 7000, containerPort: 6443 }],
    "server-2": [{ hostPort: 7001, containerPort: 6443 }],
    "server-3": [{ hostPort: 7002, containerPort: 6443 }],
    "agent-1": [],
    "agent-2": [],
  });
});

test("another build of the steward is another input of every machine, and of nothing else", async () => {
  const next = await record(prepared, () => ciStack(config(), { ...machine, stewardRevision: "r2" }));
  const first = await run();
  const inputs = (recording: Recording): [string, unknown][] =>
    recording.registrations.map((it) => [it.urn, it.inputs]);
  const changed = inputs(next).filter(([urn, now]) => {
    const [, before] = inputs(first).find(([other]) => other === urn) ?? [];
    return JSON.stringify(before) !== JSON.stringify(now);
  });
  const machines = next.ofType("homespan:index:StewardNode");
  expect(changed.map(([urn]) => urn).sort()).toEqual(machines.map(({ urn }) => urn).sort());
  expect(machines.map((it) => it.inputs["stewardRevision"])).toEqual(["r2", "r2", "r2"]);
});

test("one server on etcd starts a cluster that others can join, and is a member of it; nothing else differs", async () => {
  const [sqlite, etcd] = [await run(), await run({ datastore: "etcd" })];
  expect(tree(etcd)).toEqual(tree(sqlite));
  const changed = etcd.registrations.flatMap(({ urn, inputs }) => {
    const before = sqlite.registrations.find((it) => it.urn === urn)?.inputs ?? {};
    return Object.keys(inputs)
      .filter((key) => JSON.stringify(inputs[key]) !== JSON.stringify(before[key]))
      .map((key) => `${urn.split("::").at(-1) ?? ""} ${key}`);
  });
  expect(changed.sort()).toEqual(["server-1-config joinFile", "server-1-membership etcd"]);
  const server = ({ find }: Recording): unknown[] => [
    find("homespan:index:NodeConfig", "server-1-config").inputs["joinFile"],
    find("homespan:index:Membership", "server-1-membership").inputs["etcd"],
  ];
  const joinFile = (mode: string): object => ({
    path: "join.conf",
    fresh: expect.stringMatching(new RegExp(`^MODE=${mode}$`, "m")) as string,
    initialised: expect.stringMatching(/^MODE=join$/m) as string,
  });
  expect(server(sqlite)).toEqual([joinFile("single"), false]);
  // The boot sequence gives k3s `cluster-init` for it.
  expect(server(etcd)).toEqual([joinFile("init"), true]);
});

test("settings of single nodes reach exactly these nodes", async () => {
  const nodes = JSON.stringify({
    "agent-1": { labels: { "example.com/rack": "a" }, kubeletArgs: ["max-pods=60"] },
  });
  const { find } = await run({
    nodes,
    extraConfig: JSON.stringify({ agent: { "protect-kernel-defaults": true } }),
  });
  const file = (node: string): string =>
    (find("homespan:index:NodeConfig", `${node}-config`).inputs["files"] as Record<string, string>)[
      "etc/rancher/k3s/config.yaml"
    ] ?? "";
  expect(file("agent-1")).toContain("max-pods=60");
  expect(file("agent-1")).not.toContain("rack");
  expect(file("agent-2")).not.toContain("max-pods");
  expect(file("agent-2")).toContain("protect-kernel-defaults: true");
  expect(file("server-1")).not.toContain("protect-kernel-defaults");
  expect(find("homespan:index:Membership", "agent-1-membership").inputs["labels"]).toEqual({
    "example.com/rack": "a",
    "homespan.dev/site": "home",
    "homespan.dev/substrate": "steward",
    "node-type": "steward",
  });
});

test("outputs", async () => {
  const { outputs } = await run({ timeToLive: "2h", agents: "1" });
  expect(outputs).toEqual({
    clusterName: "ci",
    apiUrl: "https://127.0.0.1:6443",
    expiresAt: "2026-11-21T14:00:00.000Z",
    kubeconfig: secrets.kubeconfig,
    nodes: [
      {
        name: "server-1",
        role: "server",
        site: "cloud",
        hostName: "ci-server-1",
        transport: { kind: "podman", container: "homespan-ci-server-1-steward" },
        pod: "homespan-ci-server-1",
      },
      {
        name: "agent-1",
        role: "agent",
        site: "home",
        hostName: "ci-agent-1",
        transport: { kind: "podman", container: "homespan-ci-agent-1-steward" },
        pod: "homespan-ci-agent-1",
      },
    ],
  });
});

test("a cluster without an end says so", async () => {
  const { outputs } = await run();
  expect(outputs).toMatchObject({ expiresAt: null });
});
