/** What the running cluster says of itself: through podman, kubectl and the stack's outputs. */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import type { Context } from "./context.ts";
import { readOutputs, requireStack, revealOutputs } from "./deployment.ts";
import { childEnvironment } from "./environment.ts";
import { Failure, InputError, didYouMean } from "./errors.ts";
import { parseJson } from "./json.ts";
import { withTemporaryFolder } from "./pulumi-environment.ts";
import { bucketSchema } from "./snapshots/bucket.ts";
import { writePrivate } from "./state.ts";

const sshPlace = {
  address: z.string(),
  port: z.number().default(22),
  user: z.string(),
  /** `ssh-ed25519 AAAA...` */
  hostKey: z.string(),
};
/** A machine on the way to others, which takes the same key. */
export const hopSchema = z.object(sshPlace);
const transportSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("podman"), container: z.string() }),
  z.object({
    kind: z.literal("ssh"),
    ...sshPlace,
    /** Directory of its boot files, where that is not the usual one. */
    library: z.string().optional(),
    via: hopSchema.optional(),
  }),
]);
const outputsSchema = z.object({
  clusterName: z.string(),
  nodes: z.array(
    z.object({
      name: z.string(),
      role: z.string(),
      site: z.string(),
      hostName: z.string(),
      transport: transportSchema,
    }),
  ),
  kubeconfig: z.string(),
  /** Of stacks whose machines are reached by SSH. */
  sshPrivateKey: z.string().optional(),
  apiUrl: z.string(),
  expiresAt: z.string().nullish(),
  /** Of stacks with an image registry: what stands in front of an image's name. */
  registry: z.string().nullish(),
  /** Of stacks that keep snapshots of etcd in a bucket. */
  snapshotBucket: bucketSchema.nullish(),
});

/** The outputs every stack has. */
export type Outputs = z.infer<typeof outputsSchema>;

export const stageFileSchema = z.object({
  node: z.string(),
  stages: z.array(
    z.object({
      name: z.string(),
      state: z.enum(["waiting", "running", "done", "failed"]),
      startedAt: z.string().nullish(),
      finishedAt: z.string().nullish(),
      attempts: z.number().default(0),
      error: z.string().nullish(),
    }),
  ),
});

/** Why a node could not be asked how far it got. */
export interface StageProblem {
  /** What it waits for instead of the boot sequence's stages. @default "boot" */
  readonly stage?: string;
  readonly error: string;
  /** @default run up again */
  readonly fix?: string;
}

/** How far one node got; `problem` instead when it could not be asked. */
export interface NodeStages {
  readonly node: string;
  /** Commands that show what each part of it says. */
  readonly logs: { readonly boot: string; readonly tailscale: string; readonly k3s: string };
  /** Command that starts its k3s where somebody has stopped it. */
  readonly start: string;
  readonly stages: z.infer<typeof stageFileSchema>["stages"];
  readonly problem?: StageProblem;
}

/** One Node of Kubernetes. */
export interface KubernetesNode {
  readonly name: string;
  readonly ready: boolean;
  readonly address: string;
  readonly version: string;
}

/**
 * @throws Failure when the stack does not exist, or was never brought up completely.
 */
export async function clusterOutputs(context: Context, stack: string): Promise<Outputs> {
  await requireStack(context.paths, stack);
  return parseOutputs(outputsSchema, await revealOutputs(context, stack), stack);
}

/**
 * Those outputs that are no secret, from the state alone: without starting pulumi.
 *
 * @throws Failure when the stack was never brought up completely.
 */
export async function recordedOutputs(
  context: Context,
  stack: string,
): Promise<Omit<Outputs, "kubeconfig" | "sshPrivateKey" | "snapshotBucket">> {
  const outputs = await readOutputs(context.paths, stack);
  return parseOutputs(
    outputsSchema.omit({ kubeconfig: true, sshPrivateKey: true, snapshotBucket: true }),
    outputs,
    stack,
  );
}

function parseOutputs<T>(schema: z.ZodType<T>, outputs: unknown, stack: string): T {
  const parsed = schema.safeParse(outputs);
  if (parsed.success) return parsed.data;
  throw new Failure(`stack ${stack} is not up: it has no complete outputs yet; run: ./homespan up ${stack}`);
}

export interface Captured {
  readonly ok: boolean;
  readonly text: string;
  /** True when there is no such program. */
  readonly missing?: boolean;
}

/** Runs a tool with the project's environment and returns its standard output, or why there is none. */
export async function capture(
  context: Context,
  command: string,
  args: readonly string[],
  timeoutMs = 10_000,
  input?: string,
): Promise<Captured> {
  const result = await execa(command, args, {
    env: childEnvironment(context.paths, context.environment),
    extendEnv: false,
    reject: false,
    timeout: timeoutMs,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
  });
  if (!result.failed) return { ok: true, text: result.stdout };
  const text = (result.stderr || (result.shortMessage ?? "")).trim();
  return { ok: false, text, ...(result.code === "ENOENT" ? { missing: true } : {}) };
}

/** Runs `work` with the kubeconfig in a file only its owner can read, and removes it. */
export async function withKubeconfig<T>(
  context: Context,
  kubeconfig: string,
  work: (file: string) => Promise<T>,
): Promise<T> {
  return withTemporaryFolder(context, async (folder) => {
    const file = join(folder, `kubeconfig-${randomUUID()}`);
    await writePrivate(file, kubeconfig);
    try {
      return await work(file);
    } finally {
      await rm(file, { force: true });
    }
  });
}

const nodeListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({
        conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
        addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]),
        nodeInfo: z.object({ kubeletVersion: z.string() }).optional(),
      }),
    }),
  ),
});

/** The cluster's Nodes, or why they could not be had. */
export async function kubernetesNodes(
  context: Context,
  outputs: Outputs,
): Promise<{ readonly nodes: readonly KubernetesNode[]; readonly problem?: string }> {
  const answer = await withKubeconfig(context, outputs.kubeconfig, (file) =>
    capture(context, "kubectl", ["--kubeconfig", file, "get", "nodes", "-o", "json", "--request-timeout=5s"]),
  );
  if (!answer.ok) return { nodes: [], problem: answer.text };
  const list = nodeListSchema.parse(JSON.parse(answer.text));
  return {
    nodes: list.items.map(({ metadata, status }) => ({
      name: metadata.name,
      ready: status.conditions.some(({ type, status: state }) => type === "Ready" && state === "True"),
      address: status.addresses.find(({ type }) => type === "InternalIP")?.address ?? "",
      version: status.nodeInfo?.kubeletVersion ?? "",
    })),
  };
}

/** Nodes as Podman knows them, by label: also those of an `up` that did not end. */
export async function podmanNodes(
  context: Context,
  cluster: string,
): Promise<readonly { readonly node: string; readonly pod: string }[]> {
  const format = '{{index .Labels "homespan.node"}} {{.Name}}';
  const filter = ["--filter", `label=homespan.cluster=${cluster}`];
  const answer = await capture(context, "podman", ["pod", "ps", ...filter, "--format", format]);
  if (!answer.ok) return [];
  return answer.text
    .split("\n")
    .map((line) => line.trim().split(" "))
    .flatMap(([node, pod]) => (node && pod ? [{ node, pod }] : []))
    .sort((a, b) => a.node.localeCompare(b.node));
}

const containerListSchema = z.array(
  z.object({
    PodName: z.string().default(""),
    Labels: z.record(z.string(), z.string()).nullish(),
    State: z.string().default(""),
    Ports: z.array(z.object({ host_port: z.number(), range: z.number().default(1) })).nullish(),
  }),
);

/** Ports of this machine that running pods and containers of the cluster publish, by label: also those of an `up` that was killed. */
export async function publishedPorts(context: Context, cluster: string): Promise<ReadonlySet<number>> {
  const pods = new Set((await podmanNodes(context, cluster)).map(({ pod }) => pod));
  const answer = await capture(context, "podman", ["ps", "--all", "--pod", "--format", "json"]);
  const list = containerListSchema.safeParse(answer.ok ? parseJson(answer.text) : undefined);
  const own = (list.data ?? []).filter(
    ({ PodName, Labels, State }) =>
      State === "running" && (pods.has(PodName) || Labels?.["homespan.cluster"] === cluster),
  );
  const ports = own.flatMap(({ Ports }) => Ports ?? []);
  return new Set(
    ports.flatMap(({ host_port: first, range }) =>
      Array.from({ length: range }, (_, index) => first + index),
    ),
  );
}

/** The stage file of a node, asked through its steward. */
export async function podmanStages(context: Context, node: string, pod: string): Promise<NodeStages> {
  const steward = `${pod}-steward`;
  const answer = await capture(context, "podman", ["exec", steward, "/usr/lib/homespan/stage"], 5_000);
  const logs = {
    boot: `podman logs ${steward}`,
    tailscale: `podman logs ${pod}-tailscale`,
    k3s: `podman logs ${pod}-k3s`,
  };
  const start = `podman exec ${steward} /usr/lib/homespan/k3s-start`;
  if (answer.ok) return readStages({ node, logs, start }, answer.text);
  const state = await capture(context, "podman", [
    "inspect",
    "--type",
    "container",
    "--format",
    "{{.State.Status}}, exit code {{.State.ExitCode}}",
    steward,
  ]);
  const error = state.ok
    ? `its steward does not answer (${state.text}); its log: podman logs ${steward}`
    : `container ${steward} does not exist`;
  return { node, logs, start, stages: [], problem: { error } };
}

/** What a node's command `stage` printed. */
export function readStages(about: Pick<NodeStages, "node" | "logs" | "start">, text: string): NodeStages {
  try {
    return { ...about, stages: stageFileSchema.parse(JSON.parse(text)).stages };
  } catch {
    return { ...about, stages: [], problem: { error: `it gives no readable stage file: ${text}` } };
  }
}

/** @throws InputError naming the nodes there are. */
export function findNode<T extends { readonly name: string }>(nodes: readonly T[], name: string): T {
  const found = nodes.find((node) => node.name === name);
  if (found !== undefined) return found;
  const names = nodes.map((node) => node.name);
  throw new InputError(`<node> must be one of ${names.join(", ")}, got "${name}"${didYouMean(name, names)}`);
}
