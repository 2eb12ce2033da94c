/** The Podman API service through which stewards start their children. */
import type { Effects } from "../effects/effects.ts";
import { socketIn } from "../effects/podman-service.ts";
import { podmanServiceInputs, podmanServiceOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

export function podmanService({ services }: Effects) {
  return resource({
    type: "homespan:index:PodmanService",
    inputs: podmanServiceInputs,
    outputs: podmanServiceOutputs,
    secretOutputs: [],
    replaceOn: ["clusterName", "socketDirectory"],
    createOnly: [],
    async create(inputs, { signal }) {
      // A run that was killed may have left one that works.
      const pid =
        (await services.find(inputs.socketDirectory)) ??
        (await services.start(inputs.socketDirectory, signal));
      return {
        id: `homespan-${inputs.clusterName}-podman`,
        outputs: { ...inputs, socketPath: socketIn(inputs.socketDirectory), pid },
      };
    },
    async read(state) {
      const pid = await services.find(state.socketDirectory);
      return pid === undefined ? undefined : { ...state, pid };
    },
    update: (state, inputs) => Promise.resolve({ ...state, ...inputs }),
    delete: (state) => services.stop(state.socketDirectory),
  });
}
