import {
  flatcarContainerExtensions,
  flatcarPaths,
  flatcarUpdateUnits,
  flatcarUser,
} from "../upstream/flatcar.ts";
import { type ImmutableMachine, type Places, immutableMachine } from "./immutable-machine.ts";
import type { IgnitionConfig } from "./ignition.ts";

export interface FlatcarMachine extends ImmutableMachine {
  /**
   * `off`: the system stays as the image brought it, until another image is named. `system`: Flatcar updates itself and
   * restarts when it likes, and drains nothing.
   */
  readonly osUpdates: "off" | "system";
}

/** Where Flatcar keeps what is not its own. */
export const flatcarPlaces: Places = {
  user: flatcarUser,
  library: flatcarPaths.library,
  data: "/data",
  programs: flatcarPaths.programs,
};

/** The first configuration of a node on Flatcar. */
export function flatcarIgnition(machine: FlatcarMachine): IgnitionConfig {
  const common = immutableMachine(machine, flatcarPlaces);
  return {
    ...common,
    links: [
      ...common.links,
      // k3s brings a containerd of its own.
      ...flatcarContainerExtensions.map((name) => ({
        path: `/etc/extensions/${name}.raw`,
        target: "/dev/null",
      })),
    ],
    units: [
      ...common.units,
      ...(machine.osUpdates === "off" ? flatcarUpdateUnits.map((name) => ({ name, mask: true })) : []),
    ],
  };
}
