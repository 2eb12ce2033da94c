/** From the text Pulumi hands over to the homelab stack's settings, or to all that is wrong with it at once. */
import { k3sReleaseOf } from "../components/render/k3s-image.ts";
import { images } from "../components/upstream/images.ts";
import { configurationError, type StackSettings } from "./config.ts";
import type { Problem } from "./grammar.ts";
import { homeConfig, type HomeConfig } from "./home-config.ts";
import { homelabRules } from "./homelab-rules.ts";
import { homelabFields, homelabKeysAt, homelabTextKeys, type HomelabFields } from "./homelab-schema.ts";
import { homelabWarnings } from "./homelab-warnings.ts";
import type { MachineClusterConfig } from "./machine-cluster.ts";
import { completeTailnet } from "./machine-tailnet-config.ts";
import { checkFields } from "./schema-check.ts";
import type { Warning } from "./warnings.ts";

/** A cluster of its own. */
export interface OwnClusterConfig extends MachineClusterConfig {
  readonly home: HomeConfig;
  readonly snapshots: HomelabFields["snapshots"];
  readonly s3SecretAccessKey?: string | undefined;
}

/** Agents for the cluster of another stack. */
export interface JoiningConfig {
  /** The other stack. */
  readonly stack: string;
  /** This stack's own name, for what is not the cluster's. */
  readonly ownName: string;
  readonly home: HomeConfig;
  readonly extraConfig: MachineClusterConfig["extraConfig"];
  /** For the rules that need the cluster's name. */
  readonly fields: HomelabFields;
}

/** Settings without a problem. */
export type CheckedHomelabConfig = {
  /** What is allowed but should be known. */
  readonly warnings: readonly Warning[];
} & (
  | { readonly own: OwnClusterConfig; readonly joining?: never }
  | { readonly joining: JoiningConfig; readonly own?: never }
);

/**
 * The settings, and what is allowed but should be known.
 *
 * @throws pulumi.RunError naming every problem, in the grammar of stacks/grammar.ts
 */
export function homelabConfig(settings: Pick<StackSettings, "stackName" | "values">): CheckedHomelabConfig {
  const { checked, problems } = checkHomelabConfig(settings);
  if (checked === undefined) throw configurationError(settings.stackName, problems);
  return checked;
}

/** Pure part of {@link homelabConfig}: a configuration exactly when there are no problems. */
export function checkHomelabConfig(settings: Pick<StackSettings, "stackName" | "values">): {
  checked: CheckedHomelabConfig | undefined;
  problems: Problem[];
} {
  const { fields, problems } = checkFields<HomelabFields>(
    {
      fields: homelabFields,
      textKeys: homelabTextKeys,
      rules: homelabRules,
      keysAt: homelabKeysAt,
    },
    settings,
  );
  return { checked: fields === undefined ? undefined : complete(fields, settings.stackName), problems };
}

function complete(fields: HomelabFields, stackName: string): CheckedHomelabConfig {
  const { clusterName, join, tailnet, extraConfig } = fields;
  const warnings = homelabWarnings(fields);
  const home = homeConfig(fields);
  if (join !== undefined) {
    return { warnings, joining: { stack: join, ownName: stackName, home, extraConfig, fields } };
  }
  if (tailnet === undefined) throw new Error("a cluster of its own must have a tailnet: the rules see to it");
  const { snapshots, s3SecretAccessKey, podSecurity, auditLog, disable, timeToLive, podNetwork } = fields;
  const { registryMirrors } = fields;
  const own: OwnClusterConfig = {
    ...{ clusterName, home, snapshots, s3SecretAccessKey, podSecurity, auditLog },
    ...{ disable, timeToLive, podNetwork, registryMirrors, extraConfig },
    k3sVersion: fields.k3sVersion ?? k3sReleaseOf(images.k3s),
    tailnet: completeTailnet(tailnet, clusterName),
  };
  return { warnings, own };
}
