/** Tells a volume from another that was made later under its name. */
import type { Effects } from "../effects/effects.ts";
import { volumeIdentityInputs, volumeIdentityOutputs } from "../schema/libvirt.ts";
import { resource } from "../server/resource.ts";

export function volumeIdentity({ libvirt }: Pick<Effects, "libvirt">) {
  return resource({
    type: "homespan:index:VolumeIdentity",
    inputs: volumeIdentityInputs,
    outputs: volumeIdentityOutputs,
    secretOutputs: [],
    replaceOn: ["uri", "pool", "volume"],
    createOnly: [],
    async create(inputs) {
      const identity = await libvirt.volumeIdentity(inputs.uri, inputs.pool, inputs.volume);
      if (identity === undefined) {
        throw new Error(
          `\`volume\` must be in ${inputs.pool} of ${inputs.uri}, got ${JSON.stringify(inputs.volume)}, which is not there`,
        );
      }
      return { id: identity, outputs: { ...inputs, identity } };
    },
    /** Another volume under the name: this one is gone. */
    async read(state) {
      const found = await libvirt.volumeIdentity(state.uri, state.pool, state.volume);
      return found === state.identity ? state : undefined;
    },
    update: (state, inputs) => Promise.resolve({ ...state, ...inputs }),
    delete: () => Promise.resolve(),
  });
}
