/** The Headscale user that owns a cluster's keys, on a server that is not the cluster's own. */
import type { z } from "zod";
import type { Effects } from "../effects/effects.ts";
import { type HeadscaleUser, serverName } from "../effects/headscale.ts";
import { tailnetIdentity } from "../schema/common.ts";
import { headscaleUserInputs, headscaleUserOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

type Settings = z.output<typeof headscaleUserInputs>;

/** By it a user is known to be made here, also when the run that made it was killed. */
function displayName(clusterName: string): string {
  return `Homespan cluster ${clusterName}`;
}

export function headscaleUser({ headscale }: Pick<Effects, "headscale">) {
  const find = async (inputs: Settings): Promise<HeadscaleUser | undefined> => {
    const users = await headscale.users(inputs.headscale);
    if (users === undefined) throw new Error(`${serverName(inputs.headscale)} does not answer; run again`);
    return users.find(({ name }) => name === inputs.name);
  };
  return resource({
    type: "homespan:index:HeadscaleUser",
    inputs: headscaleUserInputs,
    outputs: headscaleUserOutputs,
    secretOutputs: [],
    replaceOn: [...tailnetIdentity("headscale"), "clusterName", "name"],
    createOnly: [],
    async create(inputs) {
      const own = displayName(inputs.clusterName);
      const found = await find(inputs);
      const userId = found?.id ?? (await headscale.createUser(inputs.headscale, inputs.name, own));
      const made = found === undefined || found.displayName === own;
      return { id: inputs.name, outputs: { ...inputs, userId, made } };
    },
    async read(state) {
      const users = await headscale.users(state.headscale);
      // A server that does not answer says nothing about its users.
      if (users === undefined) return state;
      return users.some(({ id }) => id === state.userId) ? state : undefined;
    },
    update: (state, inputs) => Promise.resolve({ ...state, ...inputs }),
    async delete(state) {
      // One with devices has become somebody's: it stays.
      if (state.made) await headscale.removeUser(state.headscale, state.userId);
    },
  });
}
