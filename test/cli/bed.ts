/** A bed for the verbs: folders of their own, executables that stand in for the tools, and a console that records. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "../../cli/context.ts";
import type { Facts } from "../../cli/doctor/probes.ts";
import { resolvePaths } from "../../cli/paths.ts";

export const checkout = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const fakes = join(checkout, "test/cli/fakes");

/** A machine nothing is wrong with. */
export const healthy: Facts = {
  platform: "linux",
  arch: "amd64",
  root: true,
  system: "Debian GNU/Linux 12 (bookworm)",
  podman: "4.3.1",
  missingPackages: [],
  installCommand: "apt-get install -y x",
  debian: true,
  mayInstall: true,
  tun: true,
  cgroup: "v2",
  sysResource: true,
  cacheFree: 100 * 2 ** 30,
  storageFree: 100 * 2 ** 30,
  storagePath: "/var/lib/containers",
  outstanding: undefined,
  goMissing: undefined,
  missingCapabilities: [],
  nft: true,
  nodeVersion: "24.21.0",
  npmVersion: "11.0.0",
  takenPorts: [],
};

export interface Bed {
  readonly folder: string;
  readonly context: Context;
  readonly said: string[];
  readonly printed: string[];
  readonly ended: number[];
  readonly removedFolders: string[];
  /** What the stand-ins were called with. */
  readonly calls: () => string[];
  readonly file: (name: string, content: unknown) => string;
  readonly environment: Record<string, string>;
  readonly remove: () => void;
}

export interface BedOptions {
  readonly facts?: Partial<Facts>;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly answer?: boolean;
  readonly processes?: ReturnType<Context["machine"]["processes"]>;
  readonly env?: Readonly<Record<string, string>>;
}

export function makeBed(options: BedOptions = {}): Bed {
  const folder = mkdtempSync(join(tmpdir(), "homespan-cli-"));
  const log = join(folder, "calls");
  const said: string[] = [];
  const printed: string[] = [];
  const ended: number[] = [];
  const removedFolders: string[] = [];
  const environment: Record<string, string> = {
    HOME: folder,
    HOMESPAN_CACHE: join(folder, "cache"),
    HOMESPAN_STATE: join(folder, "state"),
    PATH: `${fakes}:${process.env["PATH"] ?? ""}`,
    FAKE_LOG: log,
    ...options.env,
  };
  const machine: Context["machine"] = {
    probe: async (_context, ports) => ({
      ...healthy,
      ...options.facts,
      takenPorts: (options.facts?.takenPorts ?? []).filter((port) => ports.includes(port)),
    }),
    prepare: async () => ({
      machine: { platform: "linux", arch: "amd64", root: true, cgroup: "v2", sysResource: true, tun: true },
      tools: [],
      images: [],
      notes: [],
    }),
    // Never this machine's own: a cluster of the same name may run on it.
    processes: () => options.processes ?? [],
    endProcess: (pid) => void ended.push(pid),
    removeFolder: async (path) => void removedFolders.push(path),
  };
  const context: Context = {
    paths: resolvePaths(environment, checkout),
    environment,
    yes: options.yes ?? true,
    machine,
    console: {
      out: (text) => void printed.push(text),
      info: (text) => void said.push(text),
      warn: (text) => void said.push(text),
      json: options.json ?? false,
      verbose: false,
      interactive: options.answer !== undefined,
      ask: async () => options.answer ?? false,
    },
  };
  return {
    folder,
    context,
    said,
    printed,
    ended,
    removedFolders,
    environment,
    calls: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
    file: (name, content) => {
      const path = join(folder, name);
      writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
      return path;
    },
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const outputs = {
  clusterName: "ci",
  nodes: [
    {
      name: "server-1",
      role: "server",
      site: "cloud",
      hostName: "ci-server-1",
      transport: { kind: "podman", container: "homespan-ci-server-1-steward" },
    },
    {
      name: "agent-1",
      role: "agent",
      site: "home",
      hostName: "ci-agent-1",
      transport: { kind: "podman", container: "homespan-ci-agent-1-steward" },
    },
  ],
  kubeconfig: "apiVersion: v1",
  apiUrl: "https://127.0.0.1:6443",
  expiresAt: null,
};

const node = (name: string, address: string): unknown => ({
  metadata: { name },
  status: {
    conditions: [{ type: "Ready", status: "True" }],
    addresses: [{ type: "InternalIP", address }],
    nodeInfo: { kubeletVersion: "v1.35.1+k3s1" },
  },
});

export const kubernetesNodes = { items: [node("server-1", "100.64.0.1"), node("agent-1", "100.64.0.2")] };

export const readyStages = {
  node: "any",
  stages: [{ name: "ready", state: "done", startedAt: "2026-01-01T00:00:00Z", attempts: 1 }],
};

/** Gives the stand-ins a cluster that is up. */
export function withCluster(bed: Bed): Bed {
  Object.assign(bed.environment, {
    FAKE_OUTPUTS: bed.file("outputs.json", outputs),
    FAKE_KUBERNETES_NODES: bed.file("nodes.json", kubernetesNodes),
    FAKE_STAGES: bed.file("stages.json", readyStages),
    FAKE_CHECKPOINT: bed.file("checkpoint.json", {
      version: 3,
      checkpoint: { latest: { resources: resourcesOfCi } },
    }),
  });
  return bed;
}

const urn = (type: string, name: string): string => `urn:pulumi:ci::homespan::${type}::${name}`;

export const resourcesOfCi = [
  {
    urn: urn("pulumi:pulumi:Stack", "homespan-ci"),
    type: "pulumi:pulumi:Stack",
    outputs: {
      ...outputs,
      kubeconfig: { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" },
    },
  },
  ...outputs.nodes.map(({ name }, index) => ({
    urn: urn("homespan:index:Membership", `${name}-membership`),
    type: "homespan:index:Membership",
    inputs: { nodeName: name },
    outputs: { ready: true, tailnetAddress: `100.64.0.${String(index + 1)}`, kubeletVersion: "v1.35.1+k3s1" },
  })),
  ...outputs.nodes.map(({ name }) => ({
    urn: urn("homespan:index:StewardVolume", `${name}-volume`),
    type: "homespan:index:StewardVolume",
    inputs: { clusterName: "ci", nodeName: name },
  })),
  {
    urn: urn("homespan:index:StewardNode", "server-1-machine"),
    type: "homespan:index:StewardNode",
    inputs: { nodeName: "server-1", publish: [{ hostPort: 6443, containerPort: 6443 }] },
  },
];

/** Lines of `pulumi up --json`. */
export function events(...bodies: readonly object[]): string {
  return (
    bodies.map((body, sequence) => JSON.stringify({ sequence, timestamp: 0, ...body })).join("\n") + "\n"
  );
}

export function step(op: string, type: string, name: string, differences: object = {}): object {
  return { metadata: { op, urn: urn(type, name), type, old: null, new: { custom: true }, ...differences } };
}

export function diagnostic(message: string, severity: string, about = ""): object {
  return { diagnosticEvent: { severity, message, urn: about } };
}

export { urn };
