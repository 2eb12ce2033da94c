/** From the text Pulumi hands over to the lightsail stack's settings, or to all that is wrong with it at once. */
import { k3sReleaseOf } from "../components/render/k3s-image.ts";
import type { Role } from "../components/render/names.ts";
import { images } from "../components/upstream/images.ts";
import type { PackagedComponent } from "../components/upstream/k3s.ts";
import { configurationError, type StackSettings } from "./config.ts";
import type { Problem } from "./grammar.ts";
import type { ExistingNodeFields } from "./existing-schema.ts";
import { existingNodes, placedNodes, zoneOf, type PlacedNode } from "./lightsail-nodes.ts";
import { lightsailRules } from "./lightsail-rules.ts";
import {
  lightsailFields,
  lightsailKeysAt,
  lightsailTextKeys,
  type LightsailFields,
  type LightsailNodeFields,
  type LightsailTailnet,
} from "./lightsail-schema.ts";
import { lightsailWarnings, type Warning } from "./lightsail-warnings.ts";
import { checkFields } from "./schema-check.ts";

/** One node with every default filled in. */
export interface LightsailNode extends Omit<LightsailNodeFields, "name" | "availabilityZone"> {
  readonly name: string;
  readonly role: Role;
  readonly availabilityZone: string;
}

/** One agent on a machine that exists already. */
export interface ExistingNode extends Omit<ExistingNodeFields, "name"> {
  readonly name: string;
  readonly role: "agent";
}

/** The tailnet with every default filled in. */
export type LightsailTailnetConfig =
  | Extract<LightsailTailnet, { kind: "tailscale" }>
  | (Extract<LightsailTailnet, { kind: "headscale" }> & { readonly user: string });

/** The lightsail stack's settings with every default filled in. The datastore is always embedded etcd. */
export interface LightsailConfig extends Omit<
  LightsailFields,
  | "topology"
  | "availabilityZone"
  | "servers"
  | "agents"
  | "sshOpenReason"
  | "k3sVersion"
  | "tailnet"
  | "disable"
  | "extraPorts"
> {
  readonly servers: readonly LightsailNode[];
  /** Those on Lightsail. */
  readonly agents: readonly LightsailNode[];
  /** Agents elsewhere. */
  readonly existing: readonly ExistingNode[];
  readonly k3sVersion: string;
  readonly tailnet: LightsailTailnetConfig;
  readonly disable: readonly PackagedComponent[];
  readonly extraPorts: readonly (LightsailFields["extraPorts"][number] & { readonly toPort: number })[];
}

/** Settings without a problem. */
export interface CheckedLightsailConfig {
  readonly config: LightsailConfig;
  /** What is allowed but should be known. */
  readonly warnings: readonly Warning[];
}

/**
 * The settings, and what is allowed but should be known.
 *
 * @throws pulumi.RunError naming every problem, in the grammar of stacks/grammar.ts
 */
export function lightsailConfig(
  settings: Pick<StackSettings, "stackName" | "values">,
): CheckedLightsailConfig {
  const { config, problems, warnings } = checkLightsailConfig(settings);
  if (config === undefined) throw configurationError(settings.stackName, problems);
  return { config, warnings };
}

/** Pure part of {@link lightsailConfig}: a configuration exactly when there are no problems. */
export function checkLightsailConfig(settings: Pick<StackSettings, "stackName" | "values">): {
  config: LightsailConfig | undefined;
  problems: Problem[];
  warnings: Warning[];
} {
  const { fields, problems } = checkFields<LightsailFields>(
    {
      fields: lightsailFields,
      textKeys: lightsailTextKeys,
      rules: lightsailRules,
      keysAt: lightsailKeysAt,
    },
    settings,
  );
  return fields === undefined
    ? { config: undefined, problems, warnings: [] }
    : { config: withDefaults(fields), problems, warnings: lightsailWarnings(fields) };
}

function withDefaults(given: LightsailFields): LightsailConfig {
  const ofRole = (role: Role): LightsailNode[] =>
    placedNodes(given).flatMap((placed) => (placed.role === role ? [complete(given, placed)] : []));
  const { topology: _topology, availabilityZone: _zone, sshOpenReason: _reason, ...fields } = given;
  return {
    ...fields,
    servers: ofRole("server"),
    agents: ofRole("agent"),
    existing: existingNodes(given).map(({ name, node }) => ({ ...node, name, role: "agent" })),
    k3sVersion: given.k3sVersion ?? k3sReleaseOf(images.k3s),
    tailnet: completeTailnet(given),
    disable: given.disable ?? (given.ingress ? [] : ["traefik", "servicelb"]),
    extraPorts: given.extraPorts.map((it) => ({ ...it, toPort: it.toPort ?? it.fromPort })),
  };
}

function complete(fields: LightsailFields, { role, name, node }: PlacedNode): LightsailNode {
  return { ...node, role, name, availabilityZone: zoneOf(fields, node) };
}

function completeTailnet({ clusterName, tailnet }: LightsailFields): LightsailTailnetConfig {
  if (tailnet.kind === "tailscale") return tailnet;
  return { ...tailnet, url: tailnet.url.replace(/\/$/, ""), user: tailnet.user ?? clusterName };
}
