import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { StewardNode, type StewardNodeArgs } from "../../components/steward/steward-node.ts";
import { restricted } from "../render/samples.ts";
import { prepared, secrets } from "./support/prepared.ts";
import { record, type Recording } from "./support/recorder.ts";
import { sampleTailnet } from "./support/samples.ts";

const run = (changes: Partial<StewardNodeArgs> = {}): Promise<Recording & { readonly outputs: unknown }> =>
  record(prepared, () => {
    const node = new StewardNode("agent-1", {
      clusterName: "ci",
      nodeName: "agent-1",
      role: "agent",
      site: "home",
      networkName: "homespan-ci-home",
      tailnet: sampleTailnet(),
      socketDirectory: "/run/homespan/ci",
      images: { steward: "steward:1", tailscale: "tailscale:1", k3s: "k3s:1" },
      ...changes,
    });
    return {
      transport: node.transport,
      identity: node.identity,
      tag: node.tag,
      name: node.fullyQualifiedName,
    };
  });

test("registers exactly a volume, a machine, a key and its login below itself", async () => {
  const { registrations } = await run();
  const own = registrations.filter((it) => it.parent.endsWith("homespan:steward:StewardNode::agent-1"));
  expect(own.map((it) => `${it.type} ${it.name}`).sort()).toEqual([
    "homespan:index:HeadscaleKey agent-1-key",
    "homespan:index:StewardLogin agent-1-login",
    "homespan:index:StewardNode agent-1-machine",
    "homespan:index:StewardVolume agent-1-volume",
  ]);
});

test("the key is for this node's tag and name, and goes with the control server", async () => {
  const { find } = await run();
  const key = find("homespan:index:HeadscaleKey", "agent-1-key");
  expect(key.inputs).toEqual({
    headscale: { kind: "headscale", container: "homespan-ci-headscale" },
    user: "homespan",
    hostName: "ci-agent-1",
    tags: ["tag:ci-agent"],
    identity: "volume-of-agent-1",
  });
  expect(key.secretOutputs).toEqual(["key"]);
  expect(key.deletedWith).toContain("HeadscaleServer::control");
});

test("the login gets its key as a secret; the machine is made in the open", async () => {
  const { find } = await run();
  const { inputs } = find("homespan:index:StewardNode", "agent-1-machine");
  expect(inputs).toMatchObject({
    identity: "volume-of-agent-1",
    hostAliases: { "control.homespan-ci.internal": "10.90.0.10" },
    publish: [],
    podmanFlags: [],
    stewardImage: "steward:1",
    socketDirectory: "/run/homespan/ci",
  });
  const login = find("homespan:index:StewardLogin", "agent-1-login");
  expect(login.inputs).toMatchObject({ authKey: "[secret]", identity: "volume-of-agent-1" });
  expect(Object.keys(login.inputs["files"] as object)).toEqual(["boot/ca.pem"]);
  expect(JSON.stringify([inputs, login.inputs])).not.toContain(secrets.authKey);
  expect(login.secretOutputs).toEqual(["authKey"]);
  expect(login.deletedWith).toContain("StewardNode::agent-1-machine");
});

test("a restricted machine's limits reach the steward and its children", async () => {
  const { find } = await run({ restrictions: restricted });
  const { inputs } = find("homespan:index:StewardNode", "agent-1-machine");
  expect(inputs["podmanFlags"]).toEqual(["--ulimit=nofile=20000:20000", "--ulimit=nproc=1000:1000"]);
  const files = inputs["files"] as Record<string, string>;
  expect(files["steward/children/k3s.args"]).toContain("--ulimit=nproc=1000:1000");
});

test("is a host: what a join needs, without a word about k3s", async () => {
  const { outputs } = await run();
  expect(outputs).toEqual({
    transport: { kind: "podman", container: "homespan-ci-agent-1-steward" },
    identity: "volume-of-agent-1",
    tag: "tag:ci-agent",
    name: "ci-agent-1.ci.tailnet.internal",
  });
});

test("with a port its API is published on the loopback interface", async () => {
  const published = await record(prepared, () => {
    const node = new StewardNode("server-1", {
      ...{
        clusterName: "ci",
        nodeName: "server-1",
        role: "server",
        site: "cloud",
        networkName: "n",
        apiPort: 7001,
      },
      ...{
        tailnet: sampleTailnet(),
        socketDirectory: "/s",
        images: { steward: "s", tailscale: "t", k3s: "k" },
      },
    });
    return pulumi.output(node.publishedApi);
  });
  expect(published.outputs).toEqual({ address: "127.0.0.1", port: 7001, url: "https://127.0.0.1:7001" });
});
