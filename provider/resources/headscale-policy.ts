/** The tailnet's policy, in Headscale's database: `policy set` runs the tests that are in it first. */
import type { z } from "zod";
import { isFree, openPolicy } from "../../components/render/headscale-policy.ts";
import { bearsMark } from "../../components/render/tailnet-policy.ts";
import type { Effects } from "../effects/effects.ts";
import { serverKey, serverName } from "../effects/headscale.ts";
import { sha256 } from "../logic/join-files.ts";
import { tailnetIdentity } from "../schema/common.ts";
import { headscalePolicyInputs, headscalePolicyOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

type Settings = z.output<typeof headscalePolicyInputs>;

/** Headscale's refusal where its configuration names a file: ErrPolicyUpdateIsDisabled in hscontrol/types. */
const IN_FILE = /disabled for modes other than/i;

export function headscalePolicy({ headscale }: Pick<Effects, "headscale">) {
  const set = async (inputs: Settings): Promise<z.output<typeof headscalePolicyOutputs>> => {
    const { headscale: ref, policy, ownedBy, adopt } = inputs;
    if (ownedBy !== undefined && !adopt) {
      const found = await headscale.policy(ref);
      if (found === undefined) throw new Error(`${serverName(ref)} does not answer; run again`);
      if (!isFree(found, ownedBy)) {
        throw new Error(
          `the policy of ${serverName(ref)} was written by others and is left alone: \`tailnet.policy\` must be elsewhere, ` +
            `with this merged into it, or \`tailnet.adopt\` true, to put this in its place:\n${policy}`,
        );
      }
    }
    await headscale.setPolicy(ref, policy).catch((error: unknown) => {
      if (!(error instanceof Error && IN_FILE.test(error.message))) throw error;
      throw new Error(
        `\`policy.mode\` in the configuration of ${serverName(ref)} must be database, as it takes its policy from a file: ` +
          `change it, or set \`tailnet.policy\` to elsewhere and merge this into that file:\n${policy}`,
        { cause: error },
      );
    });
    return { ...inputs, found: sha256(policy) };
  };
  return resource({
    type: "homespan:index:HeadscalePolicy",
    inputs: headscalePolicyInputs,
    outputs: headscalePolicyOutputs,
    secretOutputs: [],
    replaceOn: tailnetIdentity("headscale"),
    createOnly: ["adopt"],
    drift: (state) => (state.found === sha256(state.policy) ? [] : ["found"]),
    async create(inputs) {
      return { id: `${serverKey(inputs.headscale)}-policy`, outputs: await set(inputs) };
    },
    async read(state) {
      const policy = await headscale.policy(state.headscale);
      // The server does not answer: that says nothing about its policy.
      return policy === undefined ? state : { ...state, found: sha256(policy) };
    },
    update: (_state, inputs) => set(inputs),
    async delete({ headscale: ref, ownedBy, adopt }) {
      // A cluster's own server takes it along; without it Headscale would let everything through. What was taken over may
      // have kept others out: nobody is let in.
      if (ownedBy === undefined || adopt) return;
      const found = await headscale.policy(ref);
      if (found === undefined) throw new Error(`${serverName(ref)} does not answer; run again`);
      if (bearsMark(found, ownedBy)) await headscale.setPolicy(ref, openPolicy);
    },
  });
}
