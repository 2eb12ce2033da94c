/**
 * A machine that somebody installs with a first configuration of ours. Nothing is made here: it is waited for, and its data
 * tells whether it is still the same node, whichever installation bears it.
 */
import type { z } from "zod";
import type { Effects } from "../effects/effects.ts";
import { type Mark, readMark } from "../effects/existing-machines.ts";
import { clearInstalled, markInstalled } from "../effects/installed-machines.ts";
import { CommandError } from "../effects/process.ts";
import { whyUnreachable } from "../effects/ssh-farewell.ts";
import { SshFailure, placeOf } from "../effects/ssh-failure.ts";
import { waitFor } from "../effects/wait.ts";
import { ignitionCommand, recreateCommand } from "../logic/own-commands.ts";
import { fingerprint } from "../logic/ssh-host-key.ts";
import type { SshTransport } from "../schema/common.ts";
import { installedMachineInputs, installedMachineOutputs } from "../schema/machines.ts";
import { type CallContext, resource } from "../server/resource.ts";

type Settings = z.output<typeof installedMachineInputs>;
type State = z.output<typeof installedMachineOutputs>;

/** For a question, whose answer may as well be that there is none. */
const QUESTION_SECONDS = 5;
/** For one that has been a node. */
const ANSWER_SECONDS = 60;
const PAGE = "docs/fedora-coreos.md";

function transportOf(inputs: Settings, hostKey: string | undefined): SshTransport {
  const { address, port, user, privateKey } = inputs;
  return { kind: "ssh", address, port, user, privateKey, ...(hostKey === undefined ? {} : { hostKey }) };
}

export function installedMachine({ ssh, clock, random }: Effects) {
  /** The host key of the machine that takes the cluster's key: one that is being installed shows others, and takes nobody's. */
  const contact = async (
    inputs: Settings,
    known: string | undefined,
    { signal, stack, timeoutSeconds }: CallContext,
    usual: number,
  ): Promise<string> => {
    const seconds = timeoutSeconds > 0 ? timeoutSeconds : usual;
    let last: SshFailure | undefined;
    const attempt = async (): Promise<string | undefined> => {
      try {
        return await ssh.hostKey(transportOf(inputs, known));
      } catch (error) {
        if (!(error instanceof SshFailure)) throw error;
        last = error;
        return undefined;
      }
    };
    const options = { seconds, signal, clock, firstMilliseconds: 1000, maximumMilliseconds: 3000 };
    const hostKey = await waitFor(attempt, options);
    if (hostKey !== undefined) return hostKey;
    throw noContact(inputs, { last, seconds, stack });
  };

  /** Finds the node's data on the machine, or begins it there, as another node's than any before. */
  const arrive = async (inputs: Settings, hostKey: string, { stack }: CallContext): Promise<State> => {
    const { clusterName, nodeName, library } = inputs;
    const identity = random(8);
    const transport = transportOf(inputs, hostKey);
    const place = `${nodeName}: ${placeOf(transport)}`;
    const mark = await markInstalled(ssh, transport, library, { clusterName, nodeName, identity });
    if (mark === undefined) {
      throw new Error(
        `${place} must be installed with what ${ignitionCommand(nodeName, stack)} prints, and has nothing of it: ${PAGE}`,
      );
    }
    if (mark.clusterName !== clusterName || mark.nodeName !== nodeName)
      throw new Error(someoneElses(place, mark));
    return {
      ...inputs,
      ...{ knownHostKey: hostKey, identity: mark.identity, machineId: mark.machineId, reachable: true },
    };
  };

  return resource({
    type: "homespan:index:InstalledMachine",
    inputs: installedMachineInputs,
    outputs: installedMachineOutputs,
    secretOutputs: ["privateKey"],
    replaceOn: ["clusterName", "nodeName"],
    createOnly: ["waitSeconds"],
    drift: (state) => (state.reachable ? [] : ["reachable"]),
    async create(inputs, context) {
      const hostKey = await contact(inputs, inputs.hostKey, context, inputs.waitSeconds);
      return {
        id: `${inputs.clusterName}/${inputs.nodeName}`,
        outputs: await arrive(inputs, hostKey, context),
      };
    },
    async read(state) {
      const transport = transportOf(state, state.hostKey ?? state.knownHostKey);
      try {
        const mark = await readMark(ssh, transport, QUESTION_SECONDS, state.data);
        // Its data is gone, and with it the node; another one takes its name.
        if (mark?.identity !== state.identity) return undefined;
        return { ...state, machineId: mark.machineId, reachable: true };
      } catch (error) {
        // One that is there and does not tell is as little gone as one that is off.
        if (error instanceof SshFailure || error instanceof CommandError)
          return { ...state, reachable: false };
        throw error;
      }
    },
    async update(state, inputs, context) {
      const hostKey = await contact(inputs, inputs.hostKey ?? state.knownHostKey, context, ANSWER_SECONDS);
      const found = await arrive(inputs, hostKey, context);
      if (found.identity !== state.identity) {
        throw new Error(
          `${inputs.nodeName}: ${placeOf(transportOf(inputs, undefined))} has other data than the node's. To make the node anew ` +
            `on it: ${recreateCommand(inputs.nodeName, context.stack)}`,
        );
      }
      if (inputs.firstConfiguration !== state.firstConfiguration) {
        await context.warn?.(
          `${inputs.nodeName}: what it would be installed with has changed. k3s and the boot files reach it by SSH, as always; the ` +
            `rest comes with its next installation, if there is ever one: ${ignitionCommand(inputs.nodeName, context.stack)}`,
        );
      }
      return found;
    },
    async delete(state, _id, { signal, warn }) {
      const transport = transportOf(state, state.hostKey ?? state.knownHostKey);
      const place = `${state.nodeName} (${placeOf(transport)})`;
      const unreachable = await whyUnreachable({ ssh, clock }, transport, signal);
      if (unreachable !== undefined) {
        await warn?.(
          `${place} could not be reached (${unreachable}): the cluster and the tailnet forget it, and on it remain k3s, Tailscale ` +
            `and the node's data. Install it anew without keeping /var, or switch it off`,
        );
        return;
      }
      await warn?.(`${place}: the node and its data in ${state.data} are taken off it, and it starts anew`);
      await clearInstalled(ssh, transport, state.library);
    },
  });
}

function noContact(
  inputs: Settings,
  {
    last,
    seconds,
    stack,
  }: { readonly last: SshFailure | undefined; readonly seconds: number; readonly stack: string | undefined },
): Error {
  const { nodeName } = inputs;
  if (last?.shown !== undefined) {
    const rule =
      inputs.hostKey === undefined
        ? "show the host key of its first contact"
        : "show the key in `coreos.hostKey`";
    return new Error(
      `${nodeName}: ${placeOf(inputs)} must ${rule}, got ${fingerprint(last.shown)}. Another machine answers there, or somebody is ` +
        `in between; if you installed it anew, without what it had in /var: ${recreateCommand(nodeName, stack)}`,
    );
  }
  const why = last?.message ?? "no answer";
  return new Error(
    `${nodeName} did not answer by SSH within ${String(seconds)} s: ${why}. A machine that is not installed yet is installed with what ` +
      `${ignitionCommand(nodeName, stack)} prints: ${PAGE}`,
  );
}

function someoneElses(place: string, { clusterName, nodeName }: Mark): string {
  return (
    `${place} must have no other node's data, got that of ${nodeName} in cluster ${clusterName}: remove that node first, ` +
    `or install the machine anew without keeping /var (${PAGE})`
  );
}
