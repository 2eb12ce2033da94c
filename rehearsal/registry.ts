/** An image registry beside the rehearsed clouds: the ci stack's (docs/decisions/0030), where every machine reaches it, as the internet is. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hostAddress } from "../components/render/address.ts";
import { type RegistryMirrors, registryName, renderRegistryConfig } from "../components/render/registry.ts";
import { optionalImages } from "../components/upstream/images.ts";
import { type Effects, systemEffects } from "../provider/effects/effects.ts";
import { removeContainer } from "../provider/effects/removal.ts";
import { objectNames } from "../provider/logic/ownership.ts";
import { registryServer } from "../provider/resources/registry-server.ts";
import type { Properties } from "../provider/server/values.ts";
import { internetOf } from "./clouds/tailscale/control-server.ts";
import { converge } from "./converge.ts";
import { readWorld } from "./world.ts";

/** Number of its address there, beside the control server's 10 and the buckets' 11. */
const ADDRESS_NUMBER = 12;

/** What Pulumi's state would hold of it. */
function stateFile(folder: string): string {
  return join(folder, "registry.json");
}

/**
 * Makes it, or repairs it; what was pushed stays.
 *
 * @param port - of 127.0.0.1, where it is pushed to
 * @returns what nodes have to be told, to pull from it by the name it is pushed to
 */
export async function ensureRegistry(
  folder: string,
  port: number,
  effects: Pick<Effects, "podman" | "registries" | "clock"> = systemEffects(),
): Promise<RegistryMirrors> {
  const { world } = await readWorld(folder);
  const { network, subnet } = await internetOf(effects.podman, world);
  const text = await readFile(stateFile(folder), "utf8").catch(() => undefined);
  const inputs = {
    ...{ clusterName: world, networkName: network, address: hostAddress(subnet, ADDRESS_NUMBER) },
    ...{ hostPort: port, image: optionalImages.registry, config: renderRegistryConfig() },
  };
  const known = text === undefined ? undefined : (JSON.parse(text) as Properties);
  // It starts within seconds, or not at all.
  const { signal } = new AbortController();
  const state = await converge(registryServer(effects), known, inputs, signal);
  await writeFile(stateFile(folder), JSON.stringify(state), { mode: 0o600 });
  return { [registryName(port)]: [String(state["endpoint"])] };
}

/** Takes its container away, which is in a network that others remove; its volume goes with the world. */
export async function endRegistry(world: string, { podman }: Pick<Effects, "podman">): Promise<void> {
  await removeContainer(podman, world, objectNames.registry(world));
}
