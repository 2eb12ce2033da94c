/** Whose policy a tailnet has; it makes nothing. */
import type { z } from "zod";
import { bearsMark } from "../../components/render/tailnet-policy.ts";
import type { Effects } from "../effects/effects.ts";
import { tailnetPolicyOriginInputs, tailnetPolicyOriginOutputs } from "../schema/machines.ts";
import { resource } from "../server/resource.ts";

export function tailnetPolicyOrigin({ tailnets }: Pick<Effects, "tailnets">) {
  const look = async (
    inputs: z.output<typeof tailnetPolicyOriginInputs>,
  ): Promise<z.output<typeof tailnetPolicyOriginOutputs>> => {
    const policy = await tailnets.policy(inputs.tailnet);
    // What cannot be asked is nobody's to overwrite.
    return { ...inputs, own: policy !== undefined && bearsMark(policy, inputs.clusterName) };
  };
  return resource({
    type: "homespan:index:TailnetPolicyOrigin",
    inputs: tailnetPolicyOriginInputs,
    outputs: tailnetPolicyOriginOutputs,
    secretOutputs: [],
    replaceOn: [],
    createOnly: [],
    async create(inputs) {
      return { id: `${inputs.clusterName}-policy-origin`, outputs: await look(inputs) };
    },
    read: (state) => look(state),
    update: (_state, inputs) => look(inputs),
    delete: () => Promise.resolve(),
  });
}
