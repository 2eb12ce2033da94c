/** One blueprint, from which any number of like machines are made, and what differs for one of them. */
import { editDistance } from "./edit-distance.ts";
import { type LimaImageName, limaImages } from "../upstream/lima.ts";

export interface LimaBlueprint {
  /** Operating system. Another one makes the virtual machine anew; the node and its data stay. */
  readonly image: LimaImageName;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** The system's own disk, GiB; sparse. It can grow. */
  readonly diskGiB: number;
  /** The disk of the node's data, GiB; sparse. It stays as it was made. */
  readonly dataDiskGiB: number;
}

/** What differs from the blueprint. */
export type LimaOverride = Partial<LimaBlueprint>;

/** The least on which k3s, its images and Ubuntu have room. https://docs.k3s.io/installation/requirements#hardware */
export const leastLimaSizes = { cpus: 1, memoryMiB: 1024, diskGiB: 8, dataDiskGiB: 8 } as const;

/** The blueprint of the reference cluster's agents. */
export const usualLimaBlueprint: LimaBlueprint = {
  image: "ubuntu-24.04",
  cpus: 3,
  memoryMiB: 8192,
  diskGiB: 20,
  dataDiskGiB: 300,
};

/**
 * One machine of the blueprint.
 *
 * @throws RangeError with all that is wrong
 */
export function limaFromBlueprint(blueprint: LimaBlueprint, override: LimaOverride = {}): LimaBlueprint {
  const machine: LimaBlueprint = { ...blueprint, ...override };
  const problems = [
    ...Object.keys(machine)
      .filter((name) => !(name in usualLimaBlueprint))
      .map(
        (name) => `\`${name}\` must be a known property${suggestion(name, Object.keys(usualLimaBlueprint))}`,
      ),
    ...(machine.image in limaImages
      ? []
      : [
          `\`image\` must be one of ${Object.keys(limaImages).join(", ")}, got ${JSON.stringify(machine.image)}` +
            suggestion(machine.image, Object.keys(limaImages)),
        ]),
    ...Object.entries(leastLimaSizes).flatMap(([name, smallest]) => {
      const value = machine[name as keyof typeof leastLimaSizes];
      return Number.isSafeInteger(value) && value >= smallest
        ? []
        : [`\`${name}\` must be a whole number of at least ${smallest}, got ${JSON.stringify(value)}`];
    }),
  ];
  if (problems.length > 0) throw new RangeError(problems.join("\n"));
  return machine;
}

function suggestion(wrong: string, known: readonly string[]): string {
  const [nearest] = known
    .map((name) => ({ name, distance: editDistance(wrong, name) }))
    .sort((one, other) => one.distance - other.distance);
  return nearest !== undefined && nearest.distance <= 2
    ? `; did you mean ${JSON.stringify(nearest.name)}?`
    : "";
}
