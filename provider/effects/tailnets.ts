/** The devices and the policy of a tailnet, whoever runs its control server. */
import type { TailnetRef } from "../schema/common.ts";
import type { Device, Headscale } from "./headscale.ts";
import type { TailscaleApi } from "./tailscale-api.ts";

export interface Tailnets {
  /** Shared by all calls of about a second. `undefined` when the control server does not answer. */
  devices(ref: TailnetRef): Promise<readonly Device[] | undefined>;
  /** Succeeds when there is none of that id. */
  removeDevice(ref: TailnetRef, id: string): Promise<void>;
  /** The policy as it was written. `undefined` when the control server does not answer. */
  policy(ref: TailnetRef): Promise<string | undefined>;
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
  // A cluster's own Headscale took its devices along when it went; others keep them.
  if (devices !== undefined || ref.kind === "headscale") return devices ?? [];
  const server = ref.kind === "tailscale" ? "Tailscale's API" : `Headscale at ${ref.url}`;
  throw new Error(
    `the device of ${whose} cannot be removed from its tailnet: ${server} does not answer; run again when it does`,
  );
}

/** {@link Tailnets} of every kind. */
export function tailnetsOf(headscale: Headscale, tailscale: TailscaleApi): Tailnets {
  return {
    devices: (ref) => (ref.kind === "tailscale" ? tailscale.devices(ref.tailnet) : headscale.devices(ref)),
    removeDevice: (ref, id) =>
      ref.kind === "tailscale" ? tailscale.removeDevice(ref.tailnet, id) : headscale.removeDevice(ref, id),
    policy: (ref) => (ref.kind === "tailscale" ? tailscale.policy(ref.tailnet) : headscale.policy(ref)),
  };
}
