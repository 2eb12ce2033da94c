/** The only reader of Pulumi's configuration. */
import * as pulumi from "@pulumi/pulumi";
import { formatProblem, nearest, type Problem } from "./grammar.ts";
import { topologies, type Topology } from "./topology.ts";

const namespace = "homespan";

/** What a topology's own rules work on. */
export interface StackSettings {
  readonly stackName: string;
  readonly topology: Topology;
  /** Key without its namespace -> text, as Pulumi hands it over: objects and lists as JSON. */
  readonly values: Readonly<Record<string, string>>;
}

/** Where the language host names the keys with a secret value, as a JSON list; the SDK has no public reader of it. */
const secretKeysVariable = "PULUMI_CONFIG_SECRET_KEYS";

/**
 * The settings of the stack that is being deployed.
 *
 * @throws pulumi.RunError for a secret value, or a topology nobody knows
 */
export function readSettings(): StackSettings {
  const named = process.env[secretKeysVariable];
  const secretKeys = named === undefined || named === "" ? [] : (JSON.parse(named) as string[]);
  return settingsOf(pulumi.getStack(), pulumi.runtime.allConfig(), secretKeys);
}

/**
 * Pure part of {@link readSettings}: picks this project's keys and the topology.
 *
 * Secret values come first and alone: whatever else is wrong with them, no message may show them.
 */
export function settingsOf(
  stackName: string,
  config: Readonly<Record<string, string>>,
  secretKeys: readonly string[] = [],
): StackSettings {
  const secrets = secretProblems(secretKeys, config);
  if (secrets.length > 0) {
    throw configurationError(stackName, secrets);
  }
  const values = Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key.startsWith(`${namespace}:`))
      .map(([key, value]) => [key.slice(namespace.length + 1), value]),
  );
  const wanted = values["topology"] ?? stackName;
  const topology = topologies.find((it) => it === wanted);
  if (topology === undefined) {
    const near = nearest(wanted, topologies);
    const lines = [
      `\`topology\` must be a stack of this project (${topologies.join(", ")}), got ${JSON.stringify(wanted)}` +
        (near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`),
    ];
    if (values["topology"] === undefined) {
      lines.push(`It is the stack's name where the configuration does not say ${namespace}:topology.`);
    }
    throw new pulumi.RunError(lines.join("\n"));
  }
  return { stackName, topology, values };
}

/** Settings that are credentials: secret wherever they go, and in no file in the clear. */
const secretSettings: readonly string[] = ["s3SecretAccessKey"];

/** Other settings become files on nodes and plain inputs in the state: a secret among them would be in the clear there. */
function secretProblems(secretKeys: readonly string[], config: Readonly<Record<string, string>>): Problem[] {
  const secret = secretKeys
    .filter((key) => key.startsWith(`${namespace}:`))
    .map((key) => key.replace(/^.*:/, ""));
  const inTheClear = secretSettings.filter((key) => `${namespace}:${key}` in config && !secret.includes(key));
  return [
    ...secret
      .filter((key) => !secretSettings.includes(key))
      .sort()
      .map((key) => ({
        field: key,
        rule: `not be or hold a secret: it is stored in the clear; remove it with: pulumi config rm ${namespace}:${key}`,
      })),
    ...inTheClear.map((key) => ({
      field: key,
      rule: `be encrypted: pulumi config set --secret ${namespace}:${key}; and change the key, which was in the clear`,
    })),
  ];
}

/** All problems of a configuration in one error that prints without a stack trace. */
export function configurationError(stackName: string, problems: readonly Problem[]): pulumi.RunError {
  const count = problems.length === 1 ? "1 problem" : `${String(problems.length)} problems`;
  return new pulumi.RunError(
    [
      `The configuration of stack ${stackName} has ${count}:`,
      ...problems.map((it) => `  - ${formatProblem(it)}`),
    ].join("\n"),
  );
}
