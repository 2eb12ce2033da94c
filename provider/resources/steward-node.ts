/** One steward node: its pod and the steward in it. The children are the steward's. */
import type { z } from "zod";
import type { ArchivedFile } from "../effects/archive.ts";
import type { Effects } from "../effects/effects.ts";
import { removePod } from "../effects/removal.ts";
import { waitFor } from "../effects/wait.ts";
import { podCreateArguments, stewardRunArguments } from "../logic/steward-pod.ts";
import { objectNames, ownObject } from "../logic/ownership.ts";
import { stewardNodeInputs, stewardNodeOutputs } from "../schema/resources.ts";
import { type CallContext, resource } from "../server/resource.ts";
import { sameValue } from "../server/values.ts";

type Settings = z.output<typeof stewardNodeInputs>;

/** The steward begins when this file is there, so it goes last. */
const START_FILE = "steward/node.conf";
const EXEC_SECONDS = 20;
/** k3s and its datastore end in order, as their data is used again. */
const STOP_SECONDS = 10;

function deliveries(inputs: Settings): readonly ArchivedFile[] {
  const paths = Object.keys(inputs.files).sort((a, b) => Number(a === START_FILE) - Number(b === START_FILE));
  return [
    { path: "secrets/authkey", content: inputs.authKey, mode: 0o600 },
    ...paths.map((path) => ({
      path,
      content: inputs.files[path] ?? "",
      mode: modeOf(inputs.files[path] ?? ""),
    })),
  ];
}

function modeOf(content: string): number {
  return content.startsWith("#!") ? 0o755 : 0o644;
}

export function stewardNode({ podman, nodes, clock }: Effects) {
  const outputsOf = (inputs: Settings): z.output<typeof stewardNodeOutputs> => ({
    ...inputs,
    podName: objectNames.pod(inputs.clusterName, inputs.nodeName),
    transport: { kind: "podman", container: objectNames.steward(inputs.clusterName, inputs.nodeName) },
    running: true,
  });

  /** A pod made anew on the volume that is there: the same node comes back, or a first one comes up. */
  const build = async (inputs: Settings, context: CallContext) => {
    const outputs = outputsOf(inputs);
    await removePod(podman, inputs.clusterName, outputs.podName, STOP_SECONDS);
    await podman.command(podCreateArguments(inputs));
    await podman.command(stewardRunArguments(inputs));
    await deliver(outputs, deliveries(inputs), context);
    return outputs;
  };

  /** The steward takes a moment to run, hence the retries. */
  const deliver = async (
    outputs: z.output<typeof stewardNodeOutputs>,
    files: readonly ArchivedFile[],
    { signal }: CallContext,
  ): Promise<void> => {
    let last: unknown;
    const done = await waitFor(
      () =>
        nodes.put(outputs.transport, files).then(
          () => true,
          (error: unknown) => {
            last = error;
            return undefined;
          },
        ),
      { seconds: EXEC_SECONDS, signal, clock, firstMilliseconds: 200 },
    );
    if (done === undefined) throw last;
  };

  return resource({
    type: "homespan:index:StewardNode",
    inputs: stewardNodeInputs,
    outputs: stewardNodeOutputs,
    secretOutputs: ["authKey"],
    replaceOn: ["clusterName", "nodeName", "volumeName", "identity"],
    createOnly: ["authKey"],
    drift: (state) => (state.running ? [] : ["running"]),
    async create(inputs, context) {
      const outputs = await build(inputs, context);
      return { id: outputs.podName, outputs };
    },
    async read(state) {
      const [pods, containers] = await Promise.all([podman.list("pods"), podman.list("containers")]);
      // A pod that is gone is one that does not run: were it missing from the state, nothing would tell that a node
      // whose volume was lost as well has to leave the cluster before the next of its name is made.
      ownObject("pod", pods, state.podName, state.clusterName);
      const runs = (name: string): boolean => containers.some((c) => c.name === name && c.running);
      const infra = objectNames.infra(state.clusterName, state.nodeName);
      return { ...state, running: runs(infra) && runs(state.transport.container) };
    },
    async update(state, inputs, context) {
      const changed = (Object.keys(inputs) as (keyof Settings)[]).filter(
        (name) => name !== "authKey" && !sameValue(state[name], inputs[name]),
      );
      const filesOnly = state.running && changed.length > 0 && changed.every((name) => name === "files");
      if (!filesOnly) return build(inputs, context);
      const outputs = outputsOf(inputs);
      const dropped = Object.keys(state.files).filter((path) => !(path in inputs.files));
      await nodes.remove(outputs.transport, dropped);
      await deliver(
        outputs,
        deliveries(inputs).filter((file) => file.path !== "secrets/authkey"),
        context,
      );
      // On its start the steward makes those children anew whose arguments have changed.
      await podman.command(["restart", outputs.transport.container]);
      return outputs;
    },
    delete: (state) => removePod(podman, state.clusterName, state.podName),
  });
}
