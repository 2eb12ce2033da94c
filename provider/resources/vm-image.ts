/** An image for virtual machines, checked before anything is made of it. */
import type { Effects } from "../effects/effects.ts";
import { vmImageInputs, vmImageOutputs } from "../schema/libvirt.ts";
import { resource } from "../server/resource.ts";

export function vmImage({ images }: Pick<Effects, "images">) {
  return resource({
    type: "homespan:index:VmImage",
    inputs: vmImageInputs,
    outputs: vmImageOutputs,
    secretOutputs: [],
    replaceOn: ["sha256"],
    // Where it came from is of no matter once it is here; who must have signed it is.
    createOnly: ["urls", "signatureUrls", "signingKeyUrls"],
    // Virtual machines that are there need it no more, new ones do.
    drift: (state) => (state.present ? [] : ["present"]),
    async create(inputs, { signal }) {
      const stored = await images.obtain(inputs, signal);
      return { id: inputs.sha256, outputs: { ...inputs, ...stored, present: true } };
    },
    async read(state) {
      return { ...state, present: (await images.size(state.path)) === state.bytes };
    },
    async update(_state, inputs, { signal }) {
      return { ...inputs, ...(await images.obtain(inputs, signal)), present: true };
    },
    delete: ({ path }) => images.remove(path),
  });
}
