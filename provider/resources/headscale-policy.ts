/** The tailnet's policy, in Headscale's database: `policy set` runs the tests that are in it first. */
import type { Effects } from "../effects/effects.ts";
import { sha256 } from "../logic/join-files.ts";
import { headscalePolicyInputs, headscalePolicyOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

export function headscalePolicy({ headscale }: Effects) {
  return resource({
    type: "homespan:index:HeadscalePolicy",
    inputs: headscalePolicyInputs,
    outputs: headscalePolicyOutputs,
    secretOutputs: [],
    replaceOn: ["headscale"],
    createOnly: [],
    drift: (state) => (state.found === sha256(state.policy) ? [] : ["found"]),
    async create(inputs) {
      await headscale.setPolicy(inputs.headscale, inputs.policy);
      return {
        id: `${inputs.headscale.container}-policy`,
        outputs: { ...inputs, found: sha256(inputs.policy) },
      };
    },
    async read(state) {
      const policy = await headscale.policy(state.headscale);
      // The server does not answer: that says nothing about its policy.
      return policy === undefined ? state : { ...state, found: sha256(policy) };
    },
    async update(_state, inputs) {
      await headscale.setPolicy(inputs.headscale, inputs.policy);
      return { ...inputs, found: sha256(inputs.policy) };
    },
    // It goes with the server; without it Headscale would let everything through.
    delete: () => Promise.resolve(),
  });
}
