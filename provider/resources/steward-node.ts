/** One steward node: its pod and the steward in it. The children are the steward's. */
import type { z } from "zod";
import type { ArchivedFile } from "../effects/archive.ts";
import type { Effects } from "../effects/effects.ts";
import { removePod } from "../effects/removal.ts";
import { fillVolume } from "../effects/volume-files.ts";
import { deliver } from "../effects/delivery.ts";
import { sha256 } from "../logic/join-files.ts";
import { podCreateArguments, stewardRunArguments } from "../logic/steward-pod.ts";
import { objectNames, ownObject } from "../logic/ownership.ts";
import { stewardNodeInputs, stewardNodeOutputs } from "../schema/resources.ts";
import { type CallContext, resource } from "../server/resource.ts";
import { sameValue } from "../server/values.ts";
import type { ServerTurns } from "./server-turns.ts";

type Settings = z.output<typeof stewardNodeInputs>;
type State = z.output<typeof stewardNodeOutputs>;

/** What the steward reads at its start alone. */
const READ_AT_START = ["steward/node.conf"];
/** The steward makes a child anew when its file below this changes (images/steward/supervise.sh). */
const WATCHED = "steward/children/";
/** k3s and its datastore end in order, as their data is used again. */
const STOP_SECONDS = 10;

function fileDeliveries(inputs: Settings): readonly ArchivedFile[] {
  return Object.entries(inputs.files).map(([path, content]) => ({ path, content, mode: modeOf(content) }));
}

function modeOf(content: string): number {
  return content.startsWith("#!") ? 0o755 : 0o644;
}

export function stewardNode(effects: Effects, turns: ServerTurns) {
  const { podman, nodes, clock } = effects;
  const containerOf = (node: { readonly clusterName: string; readonly nodeName: string }): string =>
    objectNames.steward(node.clusterName, node.nodeName);

  const outputsOf = (inputs: Settings): State => ({
    ...inputs,
    podName: objectNames.pod(inputs.clusterName, inputs.nodeName),
    transport: { kind: "podman", container: containerOf(inputs) },
    running: true,
  });

  /** A pod made anew on the volume that is there: the same node comes back, or a first one comes up. */
  const build = async (inputs: Settings) => {
    const outputs = outputsOf(inputs);
    await removePod(podman, inputs.clusterName, outputs.podName, STOP_SECONDS);
    // The steward finds its files when it starts: no program has to run in it for them.
    await Promise.all([
      fillVolume(podman, inputs.volumeName, fileDeliveries(inputs)),
      podman.command(podCreateArguments(inputs)),
    ]);
    await podman.command(stewardRunArguments(inputs));
    return outputs;
  };

  /**
   * Files of a steward that runs.
   *
   * @returns true when k3s starts again because of them.
   */
  const apply = async (state: State, inputs: Settings, context: CallContext) => {
    const { transport } = state;
    const changed = [...new Set([...Object.keys(state.files), ...Object.keys(inputs.files)])].filter(
      (path) => state.files[path] !== inputs.files[path],
    );
    // A run that was killed may have delivered them already: what is there changes nothing.
    const watched = changed.filter((path) => path.startsWith(WATCHED));
    const found = (await nodes.checksums(transport, watched)) ?? {};
    const different = watched.filter((path) => found[path] !== sha256(inputs.files[path] ?? ""));
    await nodes.remove(
      transport,
      changed.filter((path) => !(path in inputs.files)),
    );
    await deliver({ nodes, clock }, transport, fileDeliveries(inputs), context);
    const restart = changed.some((path) => READ_AT_START.includes(path));
    if (restart) await podman.command(["restart", containerOf(inputs)]);
    return restart || different.length > 0;
  };

  return resource({
    type: "homespan:index:StewardNode",
    inputs: stewardNodeInputs,
    outputs: stewardNodeOutputs,
    secretOutputs: [],
    replaceOn: ["clusterName", "nodeName", "volumeName", "identity"],
    createOnly: [],
    drift: (state) => (state.running ? [] : ["running"]),
    async create(inputs) {
      const outputs = await build(inputs);
      return { id: outputs.podName, outputs };
    },
    async read(state) {
      const [pods, containers] = await Promise.all([podman.list("pods"), podman.list("containers")]);
      // A pod that is gone is one that does not run: were it missing from the state, nothing would tell that a node
      // whose volume was lost as well has to leave the cluster before the next of its name is made.
      ownObject("pod", pods, state.podName, state.clusterName);
      const runs = (name: string): boolean => containers.some((c) => c.name === name && c.running);
      const infra = objectNames.infra(state.clusterName, state.nodeName);
      return { ...state, running: runs(infra) && runs(containerOf(state)) };
    },
    async update(state, inputs, context) {
      const outputs = outputsOf(inputs);
      const changed = (Object.keys(inputs) as (keyof Settings)[]).filter(
        (name) => !sameValue(state[name], inputs[name]),
      );
      const inPlace = state.running && changed.length > 0 && changed.every((name) => name === "files");
      const work = async (): Promise<boolean> => {
        if (inPlace) return apply(state, inputs, context);
        await build(inputs);
        return true;
      };
      // One that is down is of no use to the others until this is done.
      if (!state.running) await work();
      else await turns.take({ nodeName: inputs.nodeName, transport: outputs.transport, work }, context);
      return outputs;
    },
    delete: (state) => removePod(podman, state.clusterName, state.podName),
  });
}
