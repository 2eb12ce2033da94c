/** A virtual machine that Lima runs. Its node's data is on a disk of its own, so it can be made anew at any time. */
import type { z } from "zod";
import type { LimaInstance } from "../../components/render/lima-list.ts";
import { limaDisk, limaMemory, renderLima } from "../../components/render/lima.ts";
import type { Effects } from "../effects/effects.ts";
import type { OnNode } from "../effects/kubelet-api.ts";
import { MacAway, macText } from "../effects/macs.ts";
import {
  type Paused,
  answers,
  pauseNode,
  resumeLeftover,
  resumeNode,
  waitForNode,
} from "../effects/node-pause.ts";
import { limaVmInputs, limaVmOutputs } from "../schema/lima.ts";
import { PartialFailure } from "../server/partial-failure.ts";
import { type CallContext, resource } from "../server/resource.ts";
import { sameValue } from "../server/values.ts";
import type { Back, LimaTurns } from "./lima-turns.ts";

type Settings = z.output<typeof limaVmInputs>;
type State = z.output<typeof limaVmOutputs>;

/** A node that was restarted is Ready again within this. */
const READY_SECONDS = 180;
/** One that was made anew gets its boot files first, in its own time. */
const REBUILT_SECONDS = 600;
interface UpdateContext extends CallContext {
  /** False for a machine that never came up: nobody in it is asked. */
  readonly mayBeNode: boolean;
}

const nobodyWaits: Back = () => Promise.resolve(undefined);

/** Whose it is, and which: shown by `limactl list --json`. */
function messageOf({ clusterName, nodeName }: Settings, machineId: string): string {
  return `Homespan: ${nodeName} of cluster ${clusterName} (${machineId})`;
}

/** Undefined for a virtual machine that was not made here for this node. */
function machineIdOf(inputs: Settings, { message }: LimaInstance): string | undefined {
  const prefix = messageOf(inputs, "").slice(0, -1);
  return message.startsWith(prefix) ? message.slice(prefix.length, -1) : undefined;
}

/** What cannot be changed without making it anew. */
function fixedPart(inputs: Settings): unknown {
  const { images, dataDisk, network, sshPort, provision, vmType } = inputs;
  return { images, dataDisk, network, sshPort, provision, vmType };
}

export function limaVm(
  { lima, clock, random }: Pick<Effects, "lima" | "clock" | "random">,
  turns: LimaTurns,
) {
  const inGuest =
    ({ mac, name }: Settings): OnNode =>
    (argv, input) =>
      lima.command(mac, name, argv, input === undefined ? {} : { input });

  const find = async (inputs: Settings): Promise<LimaInstance | undefined> => {
    const found = await lima.instance(inputs.mac, inputs.name);
    if (found === undefined || machineIdOf(inputs, found) !== undefined) return found;
    throw new Error(
      `\`name\` must be free on ${macText(inputs.mac)}, got ${inputs.name}, a virtual machine that is there and not this ` +
        `node's; it is not touched. If nobody needs it, there: limactl delete --force ${inputs.name}`,
    );
  };

  const outputsOf = (inputs: Settings, machineId: string): State => ({
    ...inputs,
    ...{ machineId, running: true, reachable: true },
    ...{ foundCpus: inputs.cpus, foundMemoryMiB: inputs.memoryMiB, foundStartAt: inputs.startAt },
  });

  /** From nothing to one that runs. */
  const make = async (inputs: Settings): Promise<State> => {
    const machineId = random(8);
    const { mac, name } = inputs;
    await lima.create(mac, name, renderLima({ ...inputs, message: messageOf(inputs, machineId) }));
    try {
      await lima.start(mac, name, inputs.startSeconds);
      await lima.setStart(mac, name, inputs.startAt);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const state = { ...outputsOf(inputs, machineId), running: false, neverStarted: true };
      throw new PartialFailure(message, name, state);
    }
    return outputsOf(inputs, machineId);
  };

  /** The file systems of the data disk are left clean where that is possible. */
  const unmake = async (inputs: Settings, found: LimaInstance): Promise<void> => {
    const { mac, name } = inputs;
    if (found.status === "Running") await lima.stop(mac, name).catch(() => undefined);
    await lima.setStart(mac, name, "off");
    await lima.remove(mac, name);
    if ((await lima.instance(mac, name)) === undefined) return;
    throw new Error(`${name} is still there on ${macText(mac)} after limactl delete --force ${name}`);
  };

  /** One that was deleted by hand is as one that is stopped while it is still to start by itself: gone, nobody would undo that. */
  const remainder = async (state: State): Promise<State | undefined> => {
    const foundStartAt = await lima.startsAt(state.mac, state.name);
    return foundStartAt === "off" ? undefined : { ...state, running: false, reachable: true, foundStartAt };
  };

  const resize = async ({ mac, name, cpus, memoryMiB, diskGiB }: Settings): Promise<void> => {
    const [memory, disk] = [limaMemory(memoryMiB), limaDisk(diskGiB)];
    await lima.edit(mac, name, `.cpus = ${cpus} | .memory = "${memory}" | .disk = "${disk}"`);
  };

  const backOf = (
    inputs: Settings,
    paused: Paused | undefined,
    seconds: number,
    { signal }: CallContext,
  ): Back =>
    paused === undefined
      ? nobodyWaits
      : () => waitForNode(inGuest(inputs), paused, { clock, signal, seconds });

  /** A turn: drained, changed while it is stopped, and back before the next one's. */
  const restart = (
    inputs: Settings,
    { mayBeNode, ...context }: UpdateContext,
    change: () => Promise<void>,
  ): Promise<void> =>
    turns.take(inputs.mac, inputs.nodeName, async () => {
      const { mac, name, nodeName } = inputs;
      const run = inGuest(inputs);
      const { drainSeconds: seconds } = inputs;
      const paused = mayBeNode
        ? await pauseNode(run, nodeName, { ...options(context), seconds, mark: true })
        : undefined;
      const resume = async (): Promise<void> => {
        if (paused !== undefined) await resumeNode(run, paused, clock);
      };
      let refused: unknown;
      try {
        await lima.stop(mac, name);
        // What Lima does not take leaves the machine as it was.
        await change().catch((error: unknown) => (refused = error));
        await lima.start(mac, name, inputs.startSeconds);
        const why = await backOf(inputs, paused, READY_SECONDS, context)();
        if (why !== undefined) {
          throw new Error(`${nodeName} was not Ready again within ${READY_SECONDS} s of its restart: ${why}`);
        }
      } catch (error) {
        await resume().catch(() => undefined);
        throw error;
      }
      await resume();
      if (refused !== undefined) throw refused as Error;
      return { result: undefined, back: nobodyWaits };
    });

  /** As a turn, too. Who joins it to the cluster again lets pods come again (Membership). */
  const rebuild = (
    inputs: Settings,
    found: LimaInstance,
    { mayBeNode, ...context }: UpdateContext,
  ): Promise<State> =>
    turns.take(inputs.mac, inputs.nodeName, async () => {
      const { nodeName, drainSeconds } = inputs;
      const paused =
        found.status === "Running" && mayBeNode
          ? await pauseNode(inGuest(inputs), nodeName, { ...options(context), seconds: drainSeconds })
          : undefined;
      await unmake(inputs, found);
      return { result: await make(inputs), back: backOf(inputs, paused, REBUILT_SECONDS, context) };
    });

  const options = ({ signal }: CallContext) => ({ clock, signal });

  return resource({
    type: "homespan:index:LimaVm",
    inputs: limaVmInputs,
    outputs: limaVmOutputs,
    secretOutputs: ["mac"],
    replaceOn: ["clusterName", "nodeName", "name", "identity"],
    createOnly: ["drainSeconds", "startSeconds"],
    drift: (state, news) => {
      if (!state.reachable) return ["reachable"];
      return [
        ...(state.running ? [] : ["running"]),
        // What changes as an input is named there already.
        ...([state.cpus, news.cpus].includes(state.foundCpus) ? [] : ["foundCpus"]),
        ...([state.memoryMiB, news.memoryMiB].includes(state.foundMemoryMiB) ? [] : ["foundMemoryMiB"]),
        ...([state.startAt, news.startAt].includes(state.foundStartAt) ? [] : ["foundStartAt"]),
      ];
    },
    async create(inputs) {
      const found = await find(inputs);
      // Of a run that was killed: half of it may be missing.
      if (found !== undefined) await unmake(inputs, found);
      return { id: inputs.name, outputs: await make(inputs) };
    },
    async read(state) {
      try {
        const found = await lima.instance(state.mac, state.name);
        if (found === undefined) return await remainder(state);
        const machineId = machineIdOf(state, found);
        // Another one under its name is refused when this one is made again.
        if (machineId === undefined) return undefined;
        return {
          ...state,
          machineId,
          running: found.status === "Running",
          reachable: true,
          foundCpus: found.cpus,
          foundMemoryMiB: found.memoryMiB,
          foundStartAt: await lima.startsAt(state.mac, state.name),
        };
      } catch (error) {
        if (error instanceof MacAway) return { ...state, reachable: false };
        throw error;
      }
    },
    async update(state, inputs, callContext) {
      const found = await find(inputs);
      if (found === undefined) return make(inputs);
      const machineId = machineIdOf(inputs, found) ?? "";
      const neverStarted =
        state.neverStarted === true && !(found.status === "Running" && (await answers(inGuest(inputs))));
      const context = { ...callContext, mayBeNode: !neverStarted };
      if (!sameValue(fixedPart(state), fixedPart(inputs))) return rebuild(inputs, found, context);
      const { mac, name, cpus, memoryMiB, diskGiB } = inputs;
      if (diskGiB < found.diskGiB) {
        throw new Error(
          `\`diskGiB\` of ${name} must be at least the ${found.diskGiB} it has, got ${diskGiB}: a disk only grows`,
        );
      }
      const right = found.cpus === cpus && found.memoryMiB === memoryMiB && found.diskGiB === diskGiB;
      const runs = found.status === "Running";
      if (!runs) {
        // Nobody has to leave one that is stopped already.
        if (!right) await resize(inputs);
        await lima.start(mac, name, inputs.startSeconds);
      } else if (!right) await restart(inputs, context, () => resize(inputs));
      else if (!neverStarted) await resumeLeftover(inGuest(inputs), inputs.nodeName, options(context));
      await lima.setStart(mac, name, inputs.startAt);
      // One that never came up, and was not started now, is left to who waits for its boot: it is still asked nothing.
      const still = runs && right && neverStarted ? { neverStarted } : {};
      return { ...outputsOf(inputs, machineId), ...still };
    },
    async delete(state) {
      const { mac, name } = state;
      const found = await lima.instance(mac, name);
      if (found === undefined) await lima.forgetStart(mac, name);
      else if (machineIdOf(state, found) !== undefined) await unmake(state, found);
    },
  });
}
