/** A node's data volume. Its random id is the node's identity: another volume is another node. */
import type { Effects } from "../effects/effects.ts";
import { CLUSTER_LABEL, NODE_LABEL, type VolumeFound } from "../effects/podman.ts";
import { removePod, removeVolume } from "../effects/removal.ts";
import { objectNames, ownObject } from "../logic/ownership.ts";
import { stewardVolumeInputs, stewardVolumeOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

const VOLUME_ID_LABEL = "homespan.volume-id";

export function stewardVolume({ podman, random }: Effects) {
  const find = async (cluster: string, name: string): Promise<VolumeFound | undefined> =>
    ownObject("volume", await podman.list("volumes"), name, cluster);

  return resource({
    type: "homespan:index:StewardVolume",
    inputs: stewardVolumeInputs,
    outputs: stewardVolumeOutputs,
    secretOutputs: [],
    replaceOn: ["clusterName", "nodeName"],
    createOnly: [],
    async create(inputs) {
      const { clusterName, nodeName } = inputs;
      const volumeName = objectNames.volume(clusterName, nodeName);
      const existing = await find(clusterName, volumeName);
      const known = existing?.labels[VOLUME_ID_LABEL];
      if (known !== undefined) return { id: volumeName, outputs: { ...inputs, volumeName, volumeId: known } };
      // Ours but without an id: not made here, so nothing is known about what it holds.
      if (existing !== undefined) {
        throw new Error(`volume ${volumeName} must carry the label ${VOLUME_ID_LABEL}, got none; remove it`);
      }
      const volumeId = random(8);
      await podman.command([
        ...["volume", "create", "--label", `${CLUSTER_LABEL}=${clusterName}`],
        ...["--label", `${NODE_LABEL}=${nodeName}`, "--label", `${VOLUME_ID_LABEL}=${volumeId}`, volumeName],
      ]);
      return { id: volumeName, outputs: { ...inputs, volumeName, volumeId } };
    },
    async read(state) {
      const found = await find(state.clusterName, state.volumeName);
      if (found === undefined) return undefined;
      return { ...state, volumeId: found.labels[VOLUME_ID_LABEL] ?? "" };
    },
    update: (state, inputs) => Promise.resolve({ ...state, ...inputs }),
    async delete(state) {
      // A run that was killed may have left a pod that no resource stands for.
      await removePod(podman, state.clusterName, objectNames.pod(state.clusterName, state.nodeName));
      await removeVolume(podman, state.clusterName, state.volumeName);
    },
  });
}
