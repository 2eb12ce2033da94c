/** The join layer's files on a node: tokens, join.conf, k3s's configuration. Compared by checksum. */
import type { Effects } from "../effects/effects.ts";
import { type JoinVariant, expectedSums, joinFiles, sha256 } from "../logic/join-files.ts";
import { nodeConfigInputs, nodeConfigOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";
import { pathText } from "../server/problems.ts";

export function nodeConfig({ nodes }: Effects) {
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
    async update(state, inputs) {
      const wanted = expectedSums(inputs, state.joinVariant);
      const dropped = Object.keys(expectedSums(state, state.joinVariant)).filter((path) => !(path in wanted));
      await nodes.remove(inputs.transport, dropped);
      await nodes.put(inputs.transport, joinFiles(inputs, state.joinVariant));
      return { ...inputs, joinVariant: state.joinVariant, checksums: wanted };
    },
    async delete(state) {
      const paths = Object.keys(expectedSums(state, state.joinVariant));
      // The node may be gone already, and its files with it.
      await nodes.remove(state.transport, paths).catch(() => undefined);
    },
  });
}
