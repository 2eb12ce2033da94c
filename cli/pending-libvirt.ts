/**
 * What a killed run was making on hosts with libvirt. libvirt has no second object of a name, and the provider (0.8.3) leaves
 * alone no more than a volume that is there: of a machine that runs it says "domain is already running", of a first configuration
 * "storage volume ... exists already". A volume it would take as it is; one that nobody asks for again would stay for ever.
 */
import { z } from "zod";
import type { Libvirt } from "../provider/effects/libvirt.ts";
import { Failure } from "./errors.ts";
import type { Deployment } from "./pending.ts";

const placeSchema = z.object({
  ...{ uri: z.string(), name: z.string(), uuid: z.string(), pool: z.string() },
  volumes: z.array(z.string()),
});
const wantedSchema = z.object({
  name: z.string(),
  source: z.string().optional(),
  baseVolumeId: z.string().optional(),
});

interface Look {
  readonly libvirt: Libvirt;
  /** The names it stands for were free before anything was made of them, and are ours since. */
  readonly place: z.output<typeof placeSchema>;
  readonly wanted: z.output<typeof wantedSchema>;
  /** libvirt's keys of all volumes that are in the state, also of those that are still to be deleted. */
  readonly held: ReadonlySet<string>;
}

/** Each finds the id of what is to be taken for made. What may be half there, or would be left over, is deleted. */
const looks: Readonly<Record<string, (look: Look) => Promise<string | undefined>>> = {
  "libvirt:index/domain:Domain": async ({ libvirt, place: { uri, name, uuid }, wanted }) => {
    if (wanted.name !== name) return undefined;
    const state = await libvirt.domainState(uri, uuid);
    // One that is off is defined again and started.
    return state === undefined || state === "shut off" ? undefined : uuid;
  },
  "libvirt:index/ignition:Ignition": async (look) => {
    // Its name follows from what it holds, and is in no list: components/libvirt/virtual-machine.ts.
    const { name } = look.wanted;
    return name.startsWith(`${look.place.name}-`) && name.endsWith(".ign") ? deleted(look) : undefined;
  },
  "libvirt:index/volume:Volume": async (look) => {
    const { place, wanted, libvirt } = look;
    if (!place.volumes.includes(wanted.name)) return undefined;
    // An image is uploaded, and on an image lies a system that was never started. What is neither holds data.
    if (wanted.source !== undefined || wanted.baseVolumeId !== undefined) return deleted(look);
    return libvirt.volumeKey(place.uri, place.pool, wanted.name);
  },
};

async function deleted({ libvirt, place, wanted, held }: Look): Promise<undefined> {
  const key = await libvirt.volumeKey(place.uri, place.pool, wanted.name);
  // A machine may still start from it.
  if (key === undefined || held.has(key)) return undefined;
  await libvirt.deleteVolume(place.uri, place.pool, wanted.name);
  return undefined;
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
  // The id of a first configuration has more behind its key.
  const held = new Set(resources.flatMap(({ id = "" }) => id.split(";")[0] ?? []));
  for (const { type: verb, resource } of pending) {
    const look = looks[resource.type];
    const wanted = wantedSchema.safeParse(resource.inputs).data;
    const of = resources.find(
      ({ type, parent }) => type === "homespan:index:VmPlace" && parent === resource.parent,
    );
    const place = placeSchema.safeParse(of?.inputs).data;
    if (verb !== "creating" || look === undefined || wanted === undefined || place === undefined) continue;
    try {
      const id = await look({ libvirt, place, wanted, held });
      if (id !== undefined) found.set(resource.urn, id);
    } catch (error) {
      throw new Failure(
        `${error instanceof Error ? error.message : String(error)}\n` +
          `  a killed run was making ${wanted.name} there, and what became of it must be known first; ` +
          "of a host that is gone for good: pulumi refresh --clear-pending-creates",
      );
    }
  }
  return found;
}
