/** A steward node's way into its tailnet: the control server's CA and a key, delivered when there are any. */
import type { z } from "zod";
import { deliver } from "../effects/delivery.ts";
import type { Effects } from "../effects/effects.ts";
import { keyDelivery, waitForLogin } from "../effects/tailnet-login.ts";
import { stewardLoginInputs, stewardLoginOutputs } from "../schema/resources.ts";
import { type CallContext, resource } from "../server/resource.ts";
import { sameValue } from "../server/values.ts";
import type { ServerTurns } from "./server-turns.ts";

type Settings = z.output<typeof stewardLoginInputs>;

export function stewardLogin({ podman, nodes, clock }: Effects, turns: ServerTurns) {
  const give = (inputs: Settings, key: boolean, context: CallContext): Promise<void> => {
    const files = [
      ...Object.entries(inputs.files).map(([path, content]) => ({ path, content, mode: 0o644 })),
      ...(key ? [keyDelivery(inputs.authKey)] : []),
    ];
    return deliver({ nodes, clock }, inputs.transport, files, context);
  };

  return resource({
    type: "homespan:index:StewardLogin",
    inputs: stewardLoginInputs,
    outputs: stewardLoginOutputs,
    secretOutputs: ["authKey"],
    replaceOn: ["nodeName", "identity"],
    createOnly: [],
    // Whether it succeeds is seen by all that follows: the node's membership waits for it, and names its stage.
    async create(inputs, context) {
      await give(inputs, true, context);
      return { id: `${inputs.nodeName}-login`, outputs: inputs };
    },
    read: (state) => Promise.resolve(state),
    async update(state, inputs, context) {
      const newKey = state.authKey !== inputs.authKey;
      const { nodeName, transport } = inputs;
      // tailscaled, which ends with the steward, reads its CA once; for a new key it starts again anyway.
      const restart = !newKey && !sameValue(state.files, inputs.files);
      const work = async (): Promise<boolean> => {
        await give(inputs, newKey, context);
        if (newKey) await waitForLogin({ nodes, clock }, { nodeName, transport }, context.signal);
        if (restart && transport.kind === "podman") await podman.command(["restart", transport.container]);
        return newKey || restart;
      };
      // One that has lost its device in the tailnet is of no use to the others until this is done.
      if (newKey) await work();
      else await turns.take({ nodeName, transport, work }, context);
      return inputs;
    },
    delete: () => Promise.resolve(),
  });
}
