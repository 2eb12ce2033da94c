/** From the text Pulumi hands over to the lightsail stack's settings, or to all that is wrong with it at once. */
import { k3sReleaseOf } from "../components/render/k3s-image.ts";
import type { Role } from "../components/render/names.ts";
import { images } from "../components/upstream/images.ts";
import type { PackagedComponent } from "../components/upstream/k3s.ts";
import { configurationError, type StackSettings } from "./config.ts";
import type { Problem } from "./grammar.ts";
import { nodeName, zoneOf } from "./lightsail-nodes.ts";
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
  readonly agents: readonly LightsailNode[];
  readonly k3sVersion: string;
  readonly tailnet: Extract<LightsailTailnet, { kind: "tailscale" }>;
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
  const { topology: _topology, availabilityZone: _zone, sshOpenReason: _reason, ...fields } = given;
  return {
    ...fields,
    servers: given.servers.map((node, index) => complete(given, "server", node, index)),
    agents: given.agents.map((node, index) => complete(given, "agent", node, index)),
    k3sVersion: given.k3sVersion ?? k3sReleaseOf(images.k3s),
    tailnet: tailscaleOf(given.tailnet),
    disable: given.disable ?? (given.ingress ? [] : ["traefik", "servicelb"]),
    extraPorts: given.extraPorts.map((it) => ({ ...it, toPort: it.toPort ?? it.fromPort })),
  };
}

function complete(
  fields: LightsailFields,
  role: Role,
  node: LightsailNodeFields,
  index: number,
): LightsailNode {
  return {
    ...node,
    role,
    name: nodeName(role, node, index),
    availabilityZone: zoneOf(fields, node),
  };
}

/** The rules have refused every other kind. */
function tailscaleOf(tailnet: LightsailTailnet): LightsailConfig["tailnet"] {
  if (tailnet.kind === "tailscale") return tailnet;
  throw new TypeError(`\`tailnet.kind\` must be tailscale, got ${tailnet.kind}`);
}
