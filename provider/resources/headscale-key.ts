/** A single-use pre-auth key for one node's first login. */
import type { z } from "zod";
import type { Effects } from "../effects/effects.ts";
import { type Device, serverName } from "../effects/headscale.ts";
import { type HeadscaleRef, tailnetIdentity } from "../schema/common.ts";
import { headscaleKeyInputs, headscaleKeyOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

export function headscaleKey({ headscale, podman, clock }: Effects) {
  /** Devices of that host name which carry one of the tags: anyone else's device of this name is left alone. */
  const formerDevices = async (
    ref: HeadscaleRef,
    hostName: string,
    tags: readonly string[],
  ): Promise<readonly Device[] | undefined> =>
    (await headscale.devices(ref))?.filter(
      (device) => device.hostName === hostName && device.tags.some((tag) => tags.includes(tag)),
    );

  /** Whether a machine can log in with it; `undefined` when the server does not answer. */
  const isUsable = async (state: z.output<typeof headscaleKeyOutputs>): Promise<boolean | undefined> => {
    const keys = await headscale.keys(state.headscale);
    return keys?.some(
      ({ id, used, expiresAt }) =>
        id === state.keyId && (state.shared || !used) && (expiresAt === 0 || expiresAt > clock.now()),
    );
  };

  return resource({
    type: "homespan:index:HeadscaleKey",
    inputs: headscaleKeyInputs,
    outputs: headscaleKeyOutputs,
    secretOutputs: ["key"],
    replaceOn: [...tailnetIdentity("headscale"), "user", "hostName", "tags", "identity"],
    createOnly: ["expirySeconds", "shared"],
    async create(inputs) {
      // At once, as each takes a quarter of a second: nobody has the key before the devices are gone.
      const making = headscale.createKey(inputs.headscale, inputs);
      making.catch(() => undefined);
      try {
        const devices = inputs.shared
          ? []
          : await formerDevices(inputs.headscale, inputs.hostName, inputs.tags);
        if (devices === undefined)
          throw new Error(`${serverName(inputs.headscale)} must be running, and does not answer`);
        const { id, key } = await making;
        // Otherwise the new device gets the name with a suffix, and no other node finds it.
        for (const device of devices) await headscale.removeDevice(inputs.headscale, device.id);
        return { id, outputs: { ...inputs, keyId: id, key } };
      } catch (error) {
        // Nobody will know of this key; one that was made all the same would be valid until it expires.
        await making.then(({ id }) => headscale.removeKey(inputs.headscale, id)).catch(() => undefined);
        throw error;
      }
    },
    async read(state) {
      if (state.shared) return (await isUsable(state)) === false ? undefined : state;
      const devices = await formerDevices(state.headscale, state.hostName, state.tags);
      // A device that is logged in needs no key any more; a new key would throw it out of the tailnet. A server that
      // does not answer says nothing about the key.
      if (devices === undefined || devices.length > 0) return state;
      // Without a device the machine has to log in (again), and for that it needs a key that it can use.
      return (await isUsable(state)) === false ? undefined : state;
    },
    update: (state, inputs) => Promise.resolve({ ...state, ...inputs }),
    async delete({ headscale: ref, keyId }) {
      const containers = ref.kind === "headscale" ? await podman.list("containers") : [];
      // A cluster's own server that is gone took its keys along; one that is stopped cannot be asked, and the key expires.
      if (ref.kind === "headscale" && !containers.some((c) => c.name === ref.container && c.running)) return;
      await headscale.removeKey(ref, keyId);
    },
  });
}
