import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { ClusterAnchor } from "../../components/k3s/cluster-anchor.ts";
import { clusterProvider } from "../../components/kubernetes/cluster-provider.ts";
import { SmokeTest } from "../../components/kubernetes/smoke-test.ts";
import * as pulumi from "@pulumi/pulumi";
import { prepared } from "./support/prepared.ts";
import { record } from "./support/recorder.ts";

const recording = record(prepared, () => {
  const anchor = new ClusterAnchor("anchor", { clusterName: "ci" }, {});
  const kubeconfig = pulumi.output("kubeconfig");
  clusterProvider("alone", { clusterName: "ci", kubeconfig, servers: 1 });
  const provider = clusterProvider("cluster", { clusterName: "ci", kubeconfig, servers: 3 });
  return new SmokeTest(
    "smoke",
    { image: "busybox:1", nodes: 3, members: [], deletedWith: anchor },
    { providers: [provider] },
  );
});

test("the provider stays the same one whatever its kubeconfig says, and soon gives a silent cluster up, whose objects stay in the state", async () => {
  const { find } = await recording;
  expect(find("pulumi:providers:kubernetes", "cluster").inputs).toMatchObject({
    kubeconfig: "[secret]",
    clusterIdentifier: "homespan-ci",
    skipUpdateUnreachable: "true",
    kubeClientSettings: '{"timeout":15}',
  });
});

test("a lone server is given more time, as there is no other to turn to", async () => {
  const { find } = await recording;
  expect(find("pulumi:providers:kubernetes", "alone").inputs).toMatchObject({
    kubeClientSettings: '{"timeout":60}',
  });
});

test("three objects, all through the cluster's own provider", async () => {
  const { registrations } = await recording;
  const objects = registrations.filter((it) => it.type.startsWith("kubernetes:"));
  expect(objects.map((it) => it.type).sort()).toEqual([
    "kubernetes:apps/v1:Deployment",
    "kubernetes:core/v1:Namespace",
    "kubernetes:core/v1:Service",
  ]);
  for (const object of objects) {
    // What a killed run made belongs to the next one, too.
    expect(object.inputs).toMatchObject({
      metadata: { annotations: { "pulumi.com/patchFieldManager": "homespan" } },
    });
    expect(object.provider).toContain("pulumi:providers:kubernetes::cluster");
    expect(object.deletedWith).toContain("ClusterAnchor::anchor");
  }
});

test("one pod on each node, spread over sites, and none that a restricted namespace refuses", async () => {
  const { find } = await recording;
  const { inputs } = find("kubernetes:apps/v1:Deployment", "smoke-deployment");
  expect(inputs).toMatchObject({
    metadata: { name: "smoke", namespace: "homespan-smoke" },
    spec: {
      replicas: 3,
      template: {
        spec: {
          topologySpreadConstraints: [
            { topologyKey: "kubernetes.io/hostname", maxSkew: 1, whenUnsatisfiable: "DoNotSchedule" },
            { topologyKey: "homespan.dev/site", maxSkew: 1, whenUnsatisfiable: "ScheduleAnyway" },
          ],
          affinity: {
            podAntiAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: "kubernetes.io/hostname" }],
            },
          },
          securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              image: "busybox:1",
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
              readinessProbe: { httpGet: { path: "/", port: 8080 } },
            },
          ],
        },
      },
    },
  });
});

test("no taint keeps a pod off a node or takes it away", async () => {
  const { find } = await recording;
  const { inputs } = find("kubernetes:apps/v1:Deployment", "smoke-deployment");
  expect(inputs).toHaveProperty("spec.template.spec.tolerations", [{ operator: "Exists" }]);
});

test("the pod's script is what the file says, and a shell reads it", async () => {
  const { find } = await recording;
  const { inputs } = find("kubernetes:apps/v1:Deployment", "smoke-deployment");
  const script =
    /"command":\["\/bin\/busybox","sh","-c",("(?:[^"\\]|\\.)*")\]/.exec(JSON.stringify(inputs))?.[1] ?? "";
  const text = JSON.parse(script) as string;
  expect(text).toContain("exec /bin/busybox httpd");
  expect(spawnSync("sh", ["-n"], { input: text }).status).toBe(0);
});
