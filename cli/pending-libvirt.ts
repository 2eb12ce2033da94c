/**
 * What a killed run was making on hosts with libvirt. libvirt has no second object of a name, and the provider (0.8.3) leaves
 * alone no more than a volume that is there: of a machine that runs it says "domain is already running", of a first configuration
 * "storage volume ... exists already". A volume it would take as it is; one that nobody asks for again would stay for ever.
 */
import { z } from "zod";
import type { Libvirt } from "../provider/effects/libvirt.ts";
import { Failure } from "./errors.ts";
import type { Deployment, PendingResource } from "./pending.ts";

const placeSchema = z.object({
  uri: z.string(),
  name: z.string(),
  pool: z.string(),
  volumes: z.array(z.string()),
});
type Place = z.output<typeof placeSchema>;

const nameSchema = z.object({ name: z.string(), source: z.string().optional() });

type Settle = (
  libvirt: Libvirt,
  place: Place,
  name: string,
  uploaded: boolean,
) => Promise<string | undefined>;

/** Its id, where it is to be taken for made; what may be half there is taken away. */
const settle: Readonly<Record<string, Settle>> = {
  "libvirt:index/domain:Domain": async (libvirt, { uri, name: ours }, name) => {
    if (name !== ours) return undefined;
    const uuid = await libvirt.domainUuid(uri, name);
    // One that does not run is defined again and started.
    return uuid !== undefined && (await libvirt.domainState(uri, uuid)) === "running" ? uuid : undefined;
  },
  "libvirt:index/ignition:Ignition": async (libvirt, { uri, pool, name: machine }, name) => {
    // Its name follows from what it holds, and is in no list: components/libvirt/virtual-machine.ts.
    if (name.startsWith(`${machine}-`) && name.endsWith(".ign")) await libvirt.deleteVolume(uri, pool, name);
    return undefined;
  },
  "libvirt:index/volume:Volume": async (libvirt, { uri, pool, volumes }, name, uploaded) => {
    if (!volumes.includes(name)) return undefined;
    if (!uploaded) return libvirt.volumeKey(uri, pool, name);
    await libvirt.deleteVolume(uri, pool, name);
    return undefined;
  },
};

/** True when it takes the hosts to settle it. */
export function dependsOnHosts(resources: readonly PendingResource[]): boolean {
  return resources.some(({ type }) => type in settle);
}

/**
 * Looks on the hosts for what was being made, and takes away what may be half there: the data disk is never among that.
 *
 * @returns ids of what is there, by URN
 * @throws Failure when a host does not answer: what is there would be forgotten, and be in the way of every later run
 */
export async function settleOnHosts(
  libvirt: Libvirt,
  { resources = [], pending_operations: pending = [] }: Deployment,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const { type: verb, resource } of pending) {
    const look = settle[resource.type];
    const wanted = nameSchema.safeParse(resource.inputs).data;
    const place = placeOf(resource, resources);
    if (verb !== "creating" || look === undefined || wanted === undefined || place === undefined) continue;
    try {
      const id = await look(libvirt, place, wanted.name, wanted.source !== undefined);
      if (id !== undefined) found.set(resource.urn, id);
    } catch (error) {
      throw new Failure(
        `${error instanceof Error ? error.message : String(error)}\n` +
          `  a killed run was making ${wanted.name} there, and what became of it must be known first`,
      );
    }
  }
  return found;
}

/** The names it stands for were free before anything was made of them, and are ours since. */
function placeOf({ parent }: PendingResource, resources: readonly PendingResource[]): Place | undefined {
  const place = resources.find((it) => it.type === "homespan:index:VmPlace" && it.parent === parent);
  return placeSchema.safeParse(place?.inputs).data;
}
