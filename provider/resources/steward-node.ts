/** One steward node: its pod and the steward in it. The children are the steward's. */
import type { z } from "zod";
import { type ArchivedFile, writeArchive } from "../effects/archive.ts";
import type { Effects } from "../effects/effects.ts";
import { removePod } from "../effects/removal.ts";
import { waitFor } from "../effects/wait.ts";
import { sha256 } from "../logic/join-files.ts";
import { podCreateArguments, stewardRunArguments } from "../logic/steward-pod.ts";
import { objectNames, ownObject } from "../logic/ownership.ts";
import { stuckText } from "../logic/stage.ts";
import type { Transport } from "../schema/common.ts";
import { stewardNodeInputs, stewardNodeOutputs } from "../schema/resources.ts";
import { type CallContext, resource } from "../server/resource.ts";
import { sameValue } from "../server/values.ts";
import type { ServerTurns } from "./server-turns.ts";

type Settings = z.output<typeof stewardNodeInputs>;
type State = z.output<typeof stewardNodeOutputs>;

const KEY_FILE = "secrets/authkey";
/** What the steward and tailscaled read at their start alone. */
const READ_AT_START = ["steward/node.conf", "boot/ca.pem"];
/** The steward makes a child anew when its file below this changes (images/steward/supervise.sh). */
const WATCHED = "steward/children/";
const EXEC_SECONDS = 20;
/** k3s and its datastore end in order, as their data is used again. */
const STOP_SECONDS = 10;
/** tailscaled is started again and logs in; it waits for its control server for half a minute alone. */
const LOGIN_SECONDS = 120;

function fileDeliveries(inputs: Settings): readonly ArchivedFile[] {
  return Object.entries(inputs.files).map(([path, content]) => ({ path, content, mode: modeOf(content) }));
}

function keyDelivery(inputs: Settings): ArchivedFile {
  return { path: KEY_FILE, content: inputs.authKey, mode: 0o600 };
}

function modeOf(content: string): number {
  return content.startsWith("#!") ? 0o755 : 0o644;
}

export function stewardNode({ podman, nodes, clock }: Effects, turns: ServerTurns) {
  const outputsOf = (inputs: Settings): State => ({
    ...inputs,
    podName: objectNames.pod(inputs.clusterName, inputs.nodeName),
    transport: { kind: "podman", container: objectNames.steward(inputs.clusterName, inputs.nodeName) },
    running: true,
  });

  /** A pod made anew on the volume that is there: the same node comes back, or a first one comes up. */
  const build = async (inputs: Settings) => {
    const outputs = outputsOf(inputs);
    await removePod(podman, inputs.clusterName, outputs.podName, STOP_SECONDS);
    // The steward finds its files when it starts: no program has to run in it for them.
    const input = await writeArchive([keyDelivery(inputs), ...fileDeliveries(inputs)]);
    await Promise.all([
      podman.command(["volume", "import", inputs.volumeName, "-"], { input }),
      podman.command(podCreateArguments(inputs)),
    ]);
    await podman.command(stewardRunArguments(inputs));
    return outputs;
  };

  /** A steward that was started a moment ago may not run yet, hence the retries. */
  const deliver = async (
    outputs: State,
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

  /**
   * Files and key of a steward that runs.
   *
   * @returns true when k3s starts again because of them.
   */
  const apply = async (state: State, inputs: Settings, newKey: boolean, context: CallContext) => {
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
    const files = [...(newKey ? [keyDelivery(inputs)] : []), ...fileDeliveries(inputs)];
    await deliver(outputsOf(inputs), files, context);
    const restart = changed.some((path) => READ_AT_START.includes(path));
    if (restart) await podman.command(["restart", transport.container]);
    if (newKey) await loggedIn(inputs, transport, context);
    return restart || newKey || different.length > 0;
  };

  /** The steward deletes the key when it has used it. */
  const loggedIn = async (
    { nodeName }: Settings,
    transport: Transport,
    { signal }: CallContext,
  ): Promise<void> => {
    const taken = await waitFor(
      async () => ((await nodes.checksums(transport, [KEY_FILE]))?.[KEY_FILE] === "" ? true : undefined),
      { seconds: LOGIN_SECONDS, signal, clock, firstMilliseconds: 500, maximumMilliseconds: 2000 },
    );
    if (taken === true) return;
    const stuck = stuckText(await nodes.stages(transport), clock.now());
    throw new Error(
      `${nodeName} did not log in with its new key within ${String(LOGIN_SECONDS)} s: ${stuck}`,
    );
  };

  return resource({
    type: "homespan:index:StewardNode",
    inputs: stewardNodeInputs,
    outputs: stewardNodeOutputs,
    secretOutputs: ["authKey"],
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
      return { ...state, running: runs(infra) && runs(state.transport.container) };
    },
    async update(state, inputs, context) {
      const outputs = outputsOf(inputs);
      const changed = (Object.keys(inputs) as (keyof Settings)[]).filter(
        (name) => !sameValue(state[name], inputs[name]),
      );
      const inPlace =
        state.running &&
        changed.length > 0 &&
        changed.every((name) => name === "files" || name === "authKey");
      const work = async (): Promise<boolean> => {
        if (inPlace) return apply(state, inputs, changed.includes("authKey"), context);
        await build(inputs);
        return true;
      };
      // One that is down, or has lost its device in the tailnet, is of no use to the others until this is done.
      if (!state.running || changed.includes("authKey")) await work();
      else await turns.take({ nodeName: inputs.nodeName, transport: outputs.transport, work }, context);
      return outputs;
    },
    delete: (state) => removePod(podman, state.clusterName, state.podName),
  });
}
