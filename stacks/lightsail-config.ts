/** From the text Pulumi hands over to the lightsail stack's settings, or to all that is wrong with it at once. */
import { k3sReleaseOf } from "../components/render/k3s-image.ts";
import type { Role } from "../components/render/names.ts";
import { images } from "../components/upstream/images.ts";
import type { PackagedComponent } from "../components/upstream/k3s.ts";
import { configurationError, type StackSettings } from "./config.ts";
import type { Problem } from "./grammar.ts";
import { homeConfig, type HomeConfig } from "./home-config.ts";
import type { homeFields } from "./home-schema.ts";
import { placedNodes, zoneOf } from "./lightsail-nodes.ts";
import { lightsailRules } from "./lightsail-rules.ts";
import {
  lightsailFields,
  lightsailKeysAt,
  lightsailTextKeys,
  type LightsailFields,
  type LightsailNodeFields,
} from "./lightsail-schema.ts";
import { lightsailWarnings } from "./lightsail-warnings.ts";
import { completeTailnet, type TailnetConfig } from "./machine-tailnet-config.ts";
import type { Warning } from "./warnings.ts";
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
  | keyof typeof homeFields
> {
  readonly servers: readonly LightsailNode[];
  /** Those on Lightsail. */
  readonly agents: readonly LightsailNode[];
  /** Agents elsewhere, with what they stand on. */
  readonly home: HomeConfig;
  readonly k3sVersion: string;
  readonly tailnet: TailnetConfig;
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
  const { topology: _topology, availabilityZone: _zone, sshOpenReason: _reason, ...others } = given;
  const { libvirtHosts: _hosts, mac: _mac, flatcar: _flatcar, ...fields } = others;
  return {
    ...fields,
    servers: ofRole("server"),
    agents: ofRole("agent"),
    home: homeConfig(given),
    k3sVersion: given.k3sVersion ?? k3sReleaseOf(images.k3s),
    tailnet: completeTailnet(given.tailnet, given.clusterName),
    disable: given.disable ?? (given.ingress ? [] : ["traefik", "servicelb"]),
    extraPorts: given.extraPorts.map((it) => ({ ...it, toPort: it.toPort ?? it.fromPort })),
  };
}

function complete(
  fields: LightsailFields,
  { role, name, node }: ReturnType<typeof placedNodes>[number],
): LightsailNode {
  return { ...node, role, name, availabilityZone: zoneOf(fields, node) };
}
