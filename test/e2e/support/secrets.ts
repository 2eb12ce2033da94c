/** Collects every secret value of a running cluster and looks for them where none may be. */
import { Buffer } from "node:buffer";
import { globSync, lstatSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { exec, mountpointOf, objectsOf, podman } from "./podman.ts";
import { environmentOf, processes } from "./processes.ts";

/** Value -> all places it came from, in one line. Values are never printed. */
export type Secrets = Map<string, string>;

export interface Place {
  readonly name: string;
  readonly text: string;
}

/** Pulumi's marks of a secret in exported state. https://github.com/pulumi/pulumi/blob/v3.250.0/sdk/go/common/resource/properties.go */
const signature = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** Shorter values are words, not secrets: finding them would say nothing. */
const shortest = 12;

function* leaves(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null) {
    for (const child of Object.values(value)) yield* leaves(child);
  }
}

/** The parts of one secret text that identify it: of a PEM or a kubeconfig its key's lines, of a token all of it. */
export function essence(text: string): string[] {
  const keys = [...text.matchAll(/client-key-data"?: *"?([A-Za-z0-9+/=]+)/g)].flatMap(([, encoded = ""]) => [
    encoded,
    ...essence(Buffer.from(encoded, "base64").toString()),
  ]);
  if (keys.length > 0) return keys;
  if (text.includes("PRIVATE KEY-----")) {
    return text.split("\n").filter((line) => line.length >= 40 && !line.startsWith("-----"));
  }
  return text.trim().includes("\n") ? [] : [text.trim()];
}

function add(secrets: Secrets, text: string, origin: string): void {
  for (const value of essence(text)) {
    if (value.length < shortest) continue;
    const known = secrets.get(value);
    secrets.set(value, known === undefined ? origin : `${known}, ${origin}`);
  }
}

function fromState(secrets: Secrets, value: unknown, origin: string): void {
  if (typeof value !== "object" || value === null) return;
  const record = value as Readonly<Record<string, unknown>>;
  if (record[signature] === secretSignature && typeof record["plaintext"] === "string") {
    for (const leaf of leaves(JSON.parse(record["plaintext"]))) add(secrets, leaf, origin);
    return;
  }
  for (const [key, child] of Object.entries(record)) fromState(secrets, child, `${origin}.${key}`);
}

/** All that is marked secret in a state exported with its secrets shown. */
export function stateSecrets(exported: string): Secrets {
  const secrets: Secrets = new Map();
  fromState(secrets, JSON.parse(exported), "state");
  return secrets;
}

function fromFile(secrets: Secrets, path: string): void {
  const text = readFileSync(path, "utf8");
  // tailscaled's state holds the machine and node keys among other things, each as "privkey:<hex>", in base64.
  if (path.endsWith("tailscaled.state")) {
    const decoded = Object.values(JSON.parse(text) as Record<string, string>).map((entry) =>
      Buffer.from(entry, "base64").toString(),
    );
    for (const [key] of decoded.join("\n").matchAll(/privkey:[0-9a-f]{64}/g)) secrets.set(key, path);
  } else add(secrets, text, path);
}

/** From the state: all that is marked secret. From the nodes: tokens, passwords and private keys. */
export async function collectSecrets(cluster: Cluster, nodes: readonly string[]): Promise<Secrets> {
  const exported = await cluster.pulumi(["stack", "export", "--show-secrets"]);
  const secrets = stateSecrets(exported.stdout);
  for (const node of nodes) {
    const data = await mountpointOf(cluster.volume(node));
    const patterns = [
      "secrets/*",
      "etc/rancher/node/password",
      "rancher/k3s/server/*token",
      "rancher/k3s/server/tls/**/*.key",
      "rancher/k3s/agent/*.key",
      "tailscale/tailscaled.state",
    ];
    for (const pattern of patterns) {
      for (const path of globSync(pattern, { cwd: data })) {
        // Links (node-token) lead to files that are found by their own name.
        if (lstatSync(join(data, path)).isFile()) fromFile(secrets, join(data, path));
      }
    }
  }
  const { PULUMI_CONFIG_PASSPHRASE_FILE: passphrase } = await cluster.environment();
  if (passphrase !== undefined) fromFile(secrets, passphrase);
  return secrets;
}

async function containerPlaces(cluster: Cluster): Promise<Place[]> {
  const containers = (await objectsOf(cluster.name))
    .filter((line) => line.startsWith("container "))
    .map((line) => line.slice("container ".length));
  return Promise.all(
    containers.flatMap((name) => [
      podman(["container", "inspect", name]).then(({ stdout }) => ({
        name: `inspect of ${name}`,
        text: stdout,
      })),
      podman(["logs", name], { mayFail: true }).then(({ output }) => ({
        name: `logs of ${name}`,
        text: output,
      })),
    ]),
  );
}

/** Exported state, containers' definitions and logs, all processes, stage files, and all files the wrapper keeps. */
export async function placesToSearch(cluster: Cluster, nodes: readonly string[]): Promise<readonly Place[]> {
  const { PULUMI_CONFIG_PASSPHRASE_FILE: passphrase } = await cluster.environment();
  const exported = await cluster.pulumi(["stack", "export"]);
  const stages = await Promise.all(
    nodes.map(async (node) => ({
      name: `stages of ${node}`,
      text: await exec(cluster.container(node, "steward"), ["cat", "/data/steward/stage.json"]),
    })),
  );
  const kept = globSync("**/*", { cwd: cluster.state })
    .map((path) => join(cluster.state, path))
    .filter((path) => path !== passphrase && statSync(path).isFile())
    .map((path) => ({ name: path, text: readFileSync(path, "utf8") }));
  const running = processes().flatMap(({ pid, command }) => [
    { name: `arguments of process ${pid.toString()}`, text: command },
    { name: `environment of process ${pid.toString()}`, text: environmentOf(pid) },
  ]);
  return [
    { name: "exported state", text: exported.stdout },
    ...(await containerPlaces(cluster)),
    ...stages,
    ...kept,
    ...running,
  ];
}

/** `<place>: <origin of the secret>`, once per pair. */
export function findings(secrets: Secrets, places: readonly Place[]): string[] {
  const found = new Set<string>();
  for (const { name, text } of places) {
    for (const [value, origin] of secrets) if (text.includes(value)) found.add(`${name}: ${origin}`);
  }
  return [...found];
}
