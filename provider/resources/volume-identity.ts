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
    replaceOn: ["pool", "volume"],
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
    /** Another way to the same host: what is there under the name is the same volume. */
    async update(state, inputs) {
      const { uri, pool, volume } = inputs;
      const found = await libvirt.volumeIdentity(uri, pool, volume);
      if (found === state.identity) return { ...inputs, identity: found };
      throw new Error(
        `\`uri\` must lead to the host that ${JSON.stringify(volume)} is on, got ${uri}, which has ${found === undefined ? "none" : "another"}`,
      );
    },
    delete: () => Promise.resolve(),
  });
}
