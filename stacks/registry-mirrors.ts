/** From `registryMirrors` to what nodes are told. */
import type { RegistryMirrors } from "../components/render/registry.ts";

/** Nothing where none is named: a node then has no file for them, as k3s has by itself. */
export function mirrorsOf(config: {
  readonly registryMirrors: RegistryMirrors;
}): RegistryMirrors | undefined {
  return Object.keys(config.registryMirrors).length > 0 ? config.registryMirrors : undefined;
}
