/** The join layer's files on a node: tokens, join.conf, k3s's configuration. Compared by checksum. */
import type { z } from "zod";
import { machinePaths, pathBelowData } from "../../components/render/host-paths.ts";
import { hardeningPaths } from "../../components/upstream/hardening.ts";
import { k3sPaths } from "../../components/upstream/k3s.ts";
import type { Effects } from "../effects/effects.ts";
import { isServer } from "../logic/join-conf.ts";
import { type JoinVariant, expectedSums, joinFiles, sha256 } from "../logic/join-files.ts";
import { restoreFile } from "../logic/restore-order.ts";
import { nodeConfigInputs, nodeConfigOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";
import { pathText } from "../server/problems.ts";
import type { ServerTurns } from "./server-turns.ts";

type Settings = z.output<typeof nodeConfigInputs>;

/** The files of the join layer for which the node makes k3s start again (boot/config.sh, config_files); they are at the same place on every host. */
const K3S_CONFIG = [
  k3sPaths.config,
  k3sPaths.snapshots,
  k3sPaths.registries,
  k3sPaths.flannel,
  hardeningPaths.admission,
  hardeningPaths.auditPolicy,
].map((path) => pathBelowData(machinePaths, path));

export function nodeConfig({ nodes, restoring }: Effects, turns: ServerTurns) {
  /** The order a server has not been given yet. It is no file of the join layer: the server removes it when it is done. */
  const orderFor = ({ joinFile }: Settings, given = "") => {
    const order = restoring();
    return order !== undefined && order.id !== given && isServer(joinFile.initialised) ? order : undefined;
  };

  return resource({
    type: "homespan:index:NodeConfig",
    inputs: nodeConfigInputs,
    outputs: nodeConfigOutputs,
    secretOutputs: ["secretFiles"],
    replaceOn: ["nodeName", "identity"],
    createOnly: ["initialised"],
    drift: (state, news) => [
      ...(orderFor(news, state.restored) === undefined ? [] : ["restored"]),
      ...Object.entries(expectedSums(news, state.joinVariant))
        .filter(([path, sum]) => state.checksums[path] !== sum)
        // A file that changes as an input is named there already.
        .filter(([path]) => expectedSums(state, state.joinVariant)[path] !== state.checksums[path])
        .map(([path]) => pathText(["checksums", path])),
    ],
    async create(inputs) {
      const { path, fresh } = inputs.joinFile;
      // A run that was killed after this node started a cluster must not turn it into one that joins.
      const present = await nodes.checksums(inputs.transport, [path]);
      const started = present?.[path] === sha256(fresh);
      const joinVariant: JoinVariant = inputs.initialised && !started ? "initialised" : "fresh";
      const order = orderFor(inputs);
      const files = joinFiles(inputs, joinVariant);
      await nodes.put(inputs.transport, order === undefined ? files : [...files, restoreFile(order)]);
      const checksums = expectedSums(inputs, joinVariant);
      return {
        id: `${inputs.nodeName}-${inputs.identity}`,
        outputs: { ...inputs, joinVariant, checksums, restored: order?.id ?? "" },
      };
    },
    async read(state) {
      const paths = Object.keys(expectedSums(state, state.joinVariant));
      const checksums = await nodes.checksums(state.transport, paths);
      // A node that does not answer is healed as a StewardNode; its files are on the volume.
      return checksums === undefined ? state : { ...state, checksums };
    },
    async update(state, inputs, context) {
      const { nodeName, transport } = inputs;
      const order = orderFor(inputs, state.restored);
      // The server that once began the cluster joins it too, or begins with the snapshot: a restore makes no second first one.
      const joinVariant = order === undefined ? state.joinVariant : "initialised";
      const wanted = expectedSums(inputs, joinVariant);
      const dropped = Object.keys(expectedSums(state, state.joinVariant)).filter((path) => !(path in wanted));
      const write = async (): Promise<void> => {
        await nodes.remove(transport, dropped);
        const files = joinFiles(inputs, joinVariant);
        await nodes.put(transport, order === undefined ? files : [...files, restoreFile(order)]);
      };
      const found = await nodes.checksums(transport, K3S_CONFIG);
      const same = K3S_CONFIG.every((path) => (found?.[path] ?? "") === (wanted[path] ?? ""));
      // In a restore all servers start again, and none has others to wait for.
      if (same || order !== undefined) await write();
      else await turns.take({ nodeName, transport, work: () => write().then(() => true) }, context);
      const restored = order?.id ?? state.restored;
      return { ...inputs, joinVariant, checksums: wanted, restored };
    },
    async delete(state) {
      const paths = Object.keys(expectedSums(state, state.joinVariant));
      // The node may be gone already, and its files with it.
      await nodes.remove(state.transport, paths).catch(() => undefined);
    },
  });
}
