/** Stands for the cluster as a whole: what is `deletedWith` it needs no removal of its own when the stack is destroyed. */
import { clusterAnchorInputs, clusterAnchorOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

export function clusterAnchor() {
  return resource({
    type: "homespan:index:ClusterAnchor",
    inputs: clusterAnchorInputs,
    outputs: clusterAnchorOutputs,
    secretOutputs: [],
    replaceOn: ["clusterName"],
    createOnly: [],
    create: (inputs) => Promise.resolve({ id: inputs.clusterName, outputs: inputs }),
    read: (state) => Promise.resolve(state),
    update: (_state, inputs) => Promise.resolve(inputs),
    delete: () => Promise.resolve(),
  });
}
