/** The devices of a tailnet, whoever runs its control server. */
import type { TailnetRef } from "../schema/common.ts";
import type { Device, Headscale } from "./headscale.ts";
import type { TailscaleApi } from "./tailscale-api.ts";

export interface Tailnets {
  /** Shared by all calls of about a second. `undefined` when the control server does not answer. */
  devices(ref: TailnetRef): Promise<readonly Device[] | undefined>;
  /** Succeeds when there is none of that id. */
  removeDevice(ref: TailnetRef, id: string): Promise<void>;
}

/**
 * All devices, for a removal.
 *
 * @param whose - for the message.
 * @throws when they cannot be listed, and are there nevertheless.
 */
export async function remainingDevices(
  tailnets: Tailnets,
  ref: TailnetRef,
  whose: string,
): Promise<readonly Device[]> {
  const devices = await tailnets.devices(ref);
  // A Headscale that is gone took its devices along; Tailscale keeps them.
  if (devices !== undefined || ref.kind === "headscale") return devices ?? [];
  throw new Error(
    `the device of ${whose} cannot be removed from its tailnet: Tailscale's API does not answer; run again when it does`,
  );
}

/** {@link Tailnets} of every kind. */
export function tailnetsOf(headscale: Headscale, tailscale: TailscaleApi): Tailnets {
  return {
    devices: (ref) => (ref.kind === "headscale" ? headscale.devices(ref) : tailscale.devices(ref.tailnet)),
    removeDevice: (ref, id) =>
      ref.kind === "headscale" ? headscale.removeDevice(ref, id) : tailscale.removeDevice(ref.tailnet, id),
  };
}
