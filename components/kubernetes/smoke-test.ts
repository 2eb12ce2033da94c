import { readFileSync } from "node:fs";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { Namespace } from "@pulumi/kubernetes/core/v1/namespace.js";
import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import type * as input from "@pulumi/kubernetes/types/input.js";
import * as pulumi from "@pulumi/pulumi";
import { labelKeys } from "../render/labels.ts";

export interface SmokeTestArgs {
  /** Image with a busybox that has httpd. */
  readonly image: string;
  /** One pod runs on each node: the number of nodes. */
  readonly nodes: number;
  /**
   * The nodes' memberships. Pods are asked for once every node is Ready: one that lands on a node whose flannel is
   * still coming up fails its first start and then waits out the kubelet's back-off of ten seconds.
   */
  readonly members: readonly pulumi.Resource[];
  /** The pods live in the cluster, and go with it. */
  readonly deletedWith: pulumi.Resource;
}

const labels = { "app.kubernetes.io/name": "smoke", "app.kubernetes.io/managed-by": "homespan" };
const port = 8080;

/**
 * The cluster's first workload: one pod on each node, each serving its node's name. It is there to show that pods are
 * scheduled, start, become ready and are reached through a Service on every node of every site.
 */
export class SmokeTest extends pulumi.ComponentResource {
  readonly namespace: Namespace;
  readonly deployment: Deployment;
  readonly service: Service;

  constructor(name: string, args: SmokeTestArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:kubernetes:SmokeTest", name, {}, options);
    const inCluster = { parent: this, deletedWith: args.deletedWith };
    this.namespace = new Namespace(`${name}-namespace`, { metadata: namespaceMetadata }, inCluster);
    const metadata = { name: "smoke", namespace: this.namespace.metadata.name, labels, annotations: manager };

    this.deployment = new Deployment(
      `${name}-deployment`,
      { metadata, spec: deploymentSpec(args) },
      { ...inCluster, dependsOn: [...args.members], customTimeouts: { create: "5m", update: "5m" } },
    );
    this.service = new Service(
      `${name}-service`,
      {
        metadata: { ...metadata, annotations: { ...manager, "pulumi.com/skipAwait": "true" } },
        spec: { selector: labels, ports: [{ name: "http", port: 80, targetPort: port }] },
      },
      // The Deployment says when the pods are ready; waiting for the Service's endpoints too costs six seconds more.
      inCluster,
    );
    this.registerOutputs({});
  }
}

/**
 * Who owns the fields. The plugin makes up a name for each object otherwise, and one that a killed run has made is then another
 * owner's to the next run, which is refused ("apply conflict").
 * https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
 */
const manager = { "pulumi.com/patchFieldManager": "homespan" };

const namespaceMetadata = {
  name: "homespan-smoke",
  annotations: manager,
  labels: {
    "app.kubernetes.io/managed-by": "homespan",
    "pod-security.kubernetes.io/enforce": "restricted",
  },
};

/**
 * Anti-affinity holds a pod back until a node without one is there; the spread over sites decides which pods go first
 * when there are fewer nodes than pods. A rollout frees a node before it takes it again, because there is none to spare.
 */
function deploymentSpec(args: SmokeTestArgs): input.apps.v1.DeploymentSpec {
  const spread = (
    topologyKey: string,
    whenUnsatisfiable: string,
  ): input.core.v1.TopologySpreadConstraint => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable,
    labelSelector: { matchLabels: labels },
  });
  return {
    replicas: args.nodes,
    selector: { matchLabels: labels },
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    template: {
      metadata: { labels },
      spec: {
        ...podSettings,
        containers: [container(args.image)],
        // A tainted node is still one of the nodes that have to show that they work.
        tolerations: [{ operator: "Exists" }],
        topologySpreadConstraints: [
          spread("kubernetes.io/hostname", "DoNotSchedule"),
          spread(labelKeys.site, "ScheduleAnyway"),
        ],
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: labels } },
            ],
          },
        },
      },
    },
  };
}

const podSettings = {
  volumes: [{ name: "www", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }],
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  terminationGracePeriodSeconds: 1,
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 65534,
    runAsGroup: 65534,
    seccompProfile: { type: "RuntimeDefault" },
  },
};

const script = readFileSync(new URL("smoke.sh", import.meta.url), "utf8");

function container(image: string): input.core.v1.Container {
  return {
    name: "httpd",
    image,
    imagePullPolicy: "IfNotPresent",
    command: ["/bin/busybox", "sh", "-c", script],
    env: [
      { name: "NODE_NAME", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "spec.nodeName" } } },
      { name: "PORT", value: String(port) },
    ],
    ports: [{ name: "http", containerPort: port }],
    readinessProbe: { httpGet: { path: "/", port }, periodSeconds: 1, failureThreshold: 30 },
    resources: { requests: { cpu: "5m", memory: "8Mi" }, limits: { memory: "32Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [{ name: "www", mountPath: "/www" }],
  };
}
