/** The Podman API service through which stewards start their children. */
import type { Effects } from "../effects/effects.ts";
import { socketIn } from "../effects/podman-service.ts";
import { CLUSTER_LABEL } from "../effects/podman.ts";
import { podmanServiceInputs, podmanServiceOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

export function podmanService({ services, podman }: Effects) {
  /**
   * A steward has the directory mounted, not the socket. One that was there before the directory was lost (cleaned up by
   * hand, or by the machine) has another than the one that was made now, and finds no service in it until it starts anew.
   */
  const showTo = async (cluster: string): Promise<void> => {
    const stewards = (await podman.list("containers")).filter(
      ({ name, running, labels }) =>
        running && labels[CLUSTER_LABEL] === cluster && name.endsWith("-steward"),
    );
    for (const { name } of stewards) {
      const { code } = await podman.exec(name, ["test", "-S", socketIn("/run/homespan")]);
      if (code !== 0) await podman.command(["restart", name]);
    }
  };

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
      await showTo(inputs.clusterName);
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
