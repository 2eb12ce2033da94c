/** An image registry beside the rehearsed clouds: the ci stack's (docs/decisions/0030), where every machine reaches it, as the internet is. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { hostAddress } from "../components/render/address.ts";
import { type RegistryMirrors, registryName, renderRegistryConfig } from "../components/render/registry.ts";
import { optionalImages } from "../components/upstream/images.ts";
import { type Effects, systemEffects } from "../provider/effects/effects.ts";
import { registryServer } from "../provider/resources/registry-server.ts";
import type { Properties } from "../provider/server/values.ts";
import { internetOf } from "./clouds/tailscale/control-server.ts";
import { converge } from "./converge.ts";
import { asText, writeFileWhole } from "./daemon/state.ts";
import { readWorld } from "./world.ts";

/** Number of its address there, beside the control server's 10 and the buckets' 11. */
const ADDRESS_NUMBER = 12;

/** What Pulumi's state would hold of it. */
function stateFile(folder: string): string {
  return join(folder, "registry.json");
}

type RegistryEffects = Pick<Effects, "podman" | "registries" | "clock">;

/**
 * Makes it, repairs it, or moves it to this port; what was pushed stays. One for all stacks of a rehearsal.
 *
 * @param port - of 127.0.0.1, where it is pushed to
 * @returns what nodes have to be told, to pull from it by the name it is pushed to
 * @throws Error for a port that is taken, before anything is changed
 */
export async function ensureRegistry(
  folder: string,
  port: number,
  effects: RegistryEffects = systemEffects(),
): Promise<RegistryMirrors> {
  const { world } = await readWorld(folder);
  const { network, subnet } = await internetOf(effects.podman, world);
  const known = await readState(folder);
  if (known?.["hostPort"] !== port) await insistOnFree(port);
  const inputs = {
    ...{ clusterName: world, networkName: network, address: hostAddress(subnet, ADDRESS_NUMBER) },
    ...{ hostPort: port, image: optionalImages.registry, config: renderRegistryConfig() },
  };
  // It starts within seconds, or not at all.
  const { signal } = new AbortController();
  const state = await converge(registryServer(effects), known, inputs, signal);
  await writeFileWhole(stateFile(folder), asText(state));
  return { [registryName(port)]: [String(state["endpoint"])] };
}

/** Starts it again, where there was one. */
export async function wakeRegistry(
  folder: string,
  effects: RegistryEffects = systemEffects(),
): Promise<void> {
  const port = (await readState(folder))?.["hostPort"];
  if (typeof port === "number") await ensureRegistry(folder, port, effects);
}

async function readState(folder: string): Promise<Properties | undefined> {
  try {
    return JSON.parse(await readFile(stateFile(folder), "utf8")) as Properties;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function insistOnFree(port: number): Promise<void> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch (error) {
    throw new Error(
      `\`--registry\` must be a free port, got ${String(port)} (${(error as NodeJS.ErrnoException).code ?? "unknown"}); who has it: ss -ltnp`,
      { cause: error },
    );
  } finally {
    server.close();
  }
}
