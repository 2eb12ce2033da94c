/** A machine's place in a tailnet that outlives the stack. */
import type { z } from "zod";
import type { Effects } from "../effects/effects.ts";
import type { Device } from "../effects/headscale.ts";
import { isOwnDevice } from "../logic/own-device.ts";
import { tailnetIdentity } from "../schema/common.ts";
import { tailnetDeviceInputs, tailnetDeviceOutputs } from "../schema/machines.ts";
import { resource } from "../server/resource.ts";

type Settings = z.output<typeof tailnetDeviceInputs>;

export function tailnetDevice({ tailnets, clock, random }: Pick<Effects, "tailnets" | "clock" | "random">) {
  /** Those that carry the tag: anyone else's device of this name is left alone. */
  const devicesOf = async (inputs: Settings): Promise<readonly Device[] | undefined> =>
    (await tailnets.devices(inputs.tailnet))?.filter((device) => isOwnDevice(inputs, device));

  const free = async (inputs: Settings, after: string): Promise<void> => {
    const devices = await devicesOf(inputs);
    if (devices === undefined) {
      throw new Error(
        `the tailnet must tell which devices are called ${inputs.hostName} ${after}, and does not answer; run again`,
      );
    }
    for (const { id } of devices) await tailnets.removeDevice(inputs.tailnet, id);
  };

  return resource({
    type: "homespan:index:TailnetDevice",
    inputs: tailnetDeviceInputs,
    outputs: tailnetDeviceOutputs,
    secretOutputs: [],
    replaceOn: [...tailnetIdentity("tailnet"), "hostName", "tag", "identity"],
    createOnly: ["keySeconds"],
    async create(inputs) {
      await free(inputs, "before the machine logs in");
      const createdAt = new Date(clock.now()).toISOString();
      return {
        id: inputs.hostName,
        outputs: { ...inputs, generation: random(6), createdAt, found: false },
      };
    },
    async read(state) {
      const devices = await devicesOf(state);
      // A control server that does not answer says nothing about its devices.
      if (devices === undefined) return state;
      if (devices.length > 0) return { ...state, found: true };
      // A device that was removed has to log in again, and one whose key ran out has to begin: both need another key.
      const expired = clock.now() > Date.parse(state.createdAt) + state.keySeconds * 1000;
      return state.found || expired ? undefined : state;
    },
    update: (state, inputs) => Promise.resolve({ ...state, ...inputs }),
    delete: (state) => free(state, "once it is gone"),
  });
}
