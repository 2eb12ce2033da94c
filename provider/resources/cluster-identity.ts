/** Join tokens and the memory that a cluster has been initialised: both outlive every node. */
import { isReady } from "../logic/stage.ts";
import type { Effects } from "../effects/effects.ts";
import { clusterIdentityInputs, clusterIdentityOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

export function clusterIdentity({ nodes, random, clock }: Effects) {
  return resource({
    type: "homespan:index:ClusterIdentity",
    inputs: clusterIdentityInputs,
    outputs: clusterIdentityOutputs,
    secretOutputs: ["serverToken", "agentToken"],
    replaceOn: ["clusterName"],
    createOnly: [],
    create(inputs) {
      const clusterId = random(8);
      return Promise.resolve({
        id: `${inputs.clusterName}-${clusterId}`,
        outputs: {
          ...inputs,
          clusterId,
          createdAt: new Date(clock.now()).toISOString(),
          initialised: false,
          serverToken: random(32),
          agentToken: random(32),
        },
      });
    },
    async read(state) {
      // Never goes back: a cluster whose servers are all silent has been initialised nevertheless.
      if (state.initialised) return state;
      const answers = await Promise.all(state.serverTransports.map((transport) => nodes.stages(transport)));
      return { ...state, initialised: answers.some(isReady) };
    },
    update: (state, inputs) => Promise.resolve({ ...state, ...inputs }),
    delete: () => Promise.resolve(),
  });
}
