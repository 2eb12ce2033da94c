/** The join layer's files on a node: tokens, join.conf, k3s's configuration. Compared by checksum. */
import type { Effects } from "../effects/effects.ts";
import { type JoinVariant, expectedSums, joinFiles, sha256 } from "../logic/join-files.ts";
import { nodeConfigInputs, nodeConfigOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";
import { pathText } from "../server/problems.ts";
import type { ServerTurns } from "./server-turns.ts";

/** The one file for which the steward makes k3s start again (boot/config.sh, config_checksum). */
const K3S_CONFIG = "etc/rancher/k3s/config.yaml";

export function nodeConfig({ nodes }: Effects, turns: ServerTurns) {
  return resource({
    type: "homespan:index:NodeConfig",
    inputs: nodeConfigInputs,
    outputs: nodeConfigOutputs,
    secretOutputs: ["secretFiles"],
    replaceOn: ["nodeName", "identity"],
    createOnly: ["initialised"],
    drift: (state, news) =>
      Object.entries(expectedSums(news, state.joinVariant))
        .filter(([path, sum]) => state.checksums[path] !== sum)
        // A file that changes as an input is named there already.
        .filter(([path]) => expectedSums(state, state.joinVariant)[path] !== state.checksums[path])
        .map(([path]) => pathText(["checksums", path])),
    async create(inputs) {
      const { path, fresh } = inputs.joinFile;
      // A run that was killed after this node started a cluster must not turn it into one that joins.
      const present = await nodes.checksums(inputs.transport, [path]);
      const started = present?.[path] === sha256(fresh);
      const joinVariant: JoinVariant = inputs.initialised && !started ? "initialised" : "fresh";
      await nodes.put(inputs.transport, joinFiles(inputs, joinVariant));
      return {
        id: `${inputs.nodeName}-${inputs.identity}`,
        outputs: { ...inputs, joinVariant, checksums: expectedSums(inputs, joinVariant) },
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
      const wanted = expectedSums(inputs, state.joinVariant);
      const dropped = Object.keys(expectedSums(state, state.joinVariant)).filter((path) => !(path in wanted));
      const write = async (): Promise<void> => {
        await nodes.remove(transport, dropped);
        await nodes.put(transport, joinFiles(inputs, state.joinVariant));
      };
      const found = await nodes.checksums(transport, [K3S_CONFIG]);
      if (found?.[K3S_CONFIG] === wanted[K3S_CONFIG]) await write();
      else await turns.take({ nodeName, transport, work: () => write().then(() => true) }, context);
      return { ...inputs, joinVariant: state.joinVariant, checksums: wanted };
    },
    async delete(state) {
      const paths = Object.keys(expectedSums(state, state.joinVariant));
      // The node may be gone already, and its files with it.
      await nodes.remove(state.transport, paths).catch(() => undefined);
    },
  });
}
