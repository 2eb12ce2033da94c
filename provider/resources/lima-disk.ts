/** The disk of a node's data. What lies beside it tells whose it is, and is removed with it: another disk is another node. */
import type { Effects } from "../effects/effects.ts";
import type { LimaDisk } from "../effects/lima/limactl.ts";
import { MacAway, macText } from "../effects/macs.ts";
import { limaDiskInputs, limaDiskOutputs } from "../schema/lima.ts";
import { resource } from "../server/resource.ts";
import { sameValue } from "../server/values.ts";
import type { z } from "zod";

type Settings = z.output<typeof limaDiskInputs>;
type State = z.output<typeof limaDiskOutputs>;

export function limaDisk({ lima, random }: Pick<Effects, "lima" | "random">) {
  /** The id of one that was made here for this node. */
  const ownId = ({ clusterName, nodeName }: Settings, { mark }: LimaDisk): string | undefined => {
    const [cluster, node, id] = mark.split(" ");
    return cluster === clusterName && node === nodeName ? id : undefined;
  };

  const insistOnSize = ({ name, sizeGiB }: Settings, present: number): void => {
    if (sizeGiB === present) return;
    throw new Error(
      `\`sizeGiB\` of ${name} must stay ${present}, got ${sizeGiB}: a data disk stays as it was made. For another size: take the ` +
        `node out of the configuration and remove the disk's protection, run, and put it in again`,
    );
  };

  /** Where another address, user or host key leads: a disk that is lost there would be made anew, and its node with it. */
  const insistOnDisk = async (inputs: Settings, state: State): Promise<void> => {
    const { mac, name } = inputs;
    const found = await lima.disk(mac, name);
    if (found !== undefined && ownId(inputs, found) === state.identity) return;
    const [former, place] = [macText(state.mac), macText(mac)];
    const got =
      found === undefined ? "where there is none of this name" : "where the one of this name is another's";
    const way =
      former === place
        ? "Another Mac answers there than before, or its user's ~/.lima was lost"
        : `Another Mac or user than the node's: put the former \`mac.address\` and \`mac.user\` back (${former})`;
    throw new Error(
      `\`mac\` of ${name} must be where this disk of ${inputs.nodeName} is, got ${place}, ${got}. ` +
        `${way}. How nodes come to another Mac: docs/lima.md`,
    );
  };

  return resource({
    type: "homespan:index:LimaDisk",
    inputs: limaDiskInputs,
    outputs: limaDiskOutputs,
    secretOutputs: ["mac"],
    replaceOn: ["clusterName", "nodeName", "name"],
    createOnly: [],
    async create(inputs) {
      const { mac, clusterName, nodeName, name, sizeGiB } = inputs;
      const found = await lima.disk(mac, name);
      if (found !== undefined) {
        // Of a run that was killed, or of a state that was lost: its data is this node's.
        const identity = ownId(inputs, found);
        if (identity === undefined) {
          throw new Error(
            `\`name\` must be free on ${macText(mac)}, got ${name}, a disk that is there and not this node's; it is not touched. ` +
              `If nobody needs it, there: limactl disk delete ${name}`,
          );
        }
        insistOnSize(inputs, found.sizeGiB);
        return { id: name, outputs: { ...inputs, identity } };
      }
      const identity = random(8);
      await lima.createDisk(mac, name, sizeGiB, `${clusterName} ${nodeName} ${identity}`);
      return { id: name, outputs: { ...inputs, identity } };
    },
    async read(state) {
      try {
        const found = await lima.disk(state.mac, state.name);
        return found !== undefined && ownId(state, found) === state.identity ? state : undefined;
      } catch (error) {
        // Whether the Mac answers is known to its own resource.
        if (error instanceof MacAway) return state;
        throw error;
      }
    },
    async update(state, inputs) {
      insistOnSize(inputs, state.sizeGiB);
      if (!sameValue(state.mac, inputs.mac)) await insistOnDisk(inputs, state);
      return { ...state, ...inputs };
    },
    async delete(state) {
      const found = await lima.disk(state.mac, state.name);
      // Another one under its name is another's.
      if (found === undefined || ownId(state, found) !== state.identity) return;
      await lima.removeDisk(state.mac, state.name);
    },
  });
}
