/** From the text Pulumi hands over to the ci stack's settings, or to all that is wrong with it at once. */
import { k3sReleaseOf } from "../components/render/k3s-image.ts";
import { images } from "../components/upstream/images.ts";
import type { Datastore } from "../components/upstream/k3s.ts";
import { ciRules } from "./ci-rules.ts";
import { ciFields, textKeys, type CiFields } from "./ci-schema.ts";
import { configurationError, type StackSettings } from "./config.ts";
import type { Problem } from "./grammar.ts";
import { checkFields } from "./schema-check.ts";

/** The ci stack's settings with every default filled in. */
export interface CiConfig extends Omit<CiFields, "topology" | "datastore" | "k3sVersion"> {
  readonly datastore: Datastore;
  readonly k3sVersion: string;
}

/**
 * @throws pulumi.RunError naming every problem, in the grammar of stacks/grammar.ts
 */
export function ciConfig(settings: StackSettings): CiConfig {
  const { config, problems } = checkCiConfig(settings);
  if (config === undefined) {
    throw configurationError(settings.stackName, problems);
  }
  return config;
}

/** Pure part of {@link ciConfig}: a configuration exactly when there are no problems. */
export function checkCiConfig(settings: StackSettings): {
  config: CiConfig | undefined;
  problems: Problem[];
} {
  const schema = { fields: ciFields, textKeys, rules: ciRules, keysAt };
  const { fields, problems } = checkFields<CiFields>(schema, settings);
  return { config: fields === undefined ? undefined : withDefaults(fields), problems };
}

function withDefaults({ topology: _topology, ...fields }: CiFields): CiConfig {
  return {
    ...fields,
    datastore: fields.datastore ?? (fields.servers === 1 ? "sqlite" : "etcd"),
    k3sVersion: fields.k3sVersion ?? k3sReleaseOf(images.k3s),
  };
}

/** Keys of the strict objects below the top level. */
function keysAt([key]: readonly PropertyKey[]): readonly string[] {
  return key === "nodes" ? ["labels", "taints", "kubeletArgs"] : ["server", "agent"];
}
