/**
 * A machine that somebody else set up. It is looked at before it is changed, let the cluster's key in with a key of whoever
 * runs Pulumi, and left as it was found.
 */
import type { z } from "zod";
import { describeMachineProblems } from "../../components/render/machine-check.ts";
import {
  isThisNode,
  judgeMachine,
  type MachineFacts,
  sshPortsOf,
} from "../../components/render/machine-probe.ts";
import type { Effects } from "../effects/effects.ts";
import {
  clearMachine,
  markMachine,
  probeMachine,
  readMark,
  setUpMachine,
} from "../effects/existing-machines.ts";
import { CommandError } from "../effects/process.ts";
import type { SshLogin } from "../effects/ssh-connection.ts";
import { passes, whyUnreachable } from "../effects/ssh-farewell.ts";
import { SshFailure, placeOf } from "../effects/ssh-failure.ts";
import { userKeyVariable } from "../effects/user-keys.ts";
import { waitFor } from "../effects/wait.ts";
import { recreateCommand } from "../logic/own-commands.ts";
import { fingerprint } from "../logic/ssh-host-key.ts";
import type { SshTransport } from "../schema/common.ts";
import { existingMachineInputs, existingMachineOutputs } from "../schema/machines.ts";
import { PartialFailure } from "../server/partial-failure.ts";
import { type CallContext, resource } from "../server/resource.ts";

type Settings = z.output<typeof existingMachineInputs>;
type State = z.output<typeof existingMachineOutputs>;

/** For a question, whose answer may as well be that there is none. */
const QUESTION_SECONDS = 5;

/** A machine that took one of our keys. */
interface Contact {
  readonly login: SshLogin;
  readonly hostKey: string;
}

function transportOf(inputs: Settings, hostKey: string | undefined): SshTransport {
  const { address, port, user, privateKey } = inputs;
  return { kind: "ssh", address, port, user, privateKey, ...(hostKey === undefined ? {} : { hostKey }) };
}

export function existingMachine({ ssh, userLogins, clock, random }: Effects) {
  /** The first of these logins that the machine takes; its refusals are not the end, another machine is. */
  const firstTaken = async (logins: readonly SshLogin[]): Promise<Contact | undefined> => {
    for (const login of logins) {
      try {
        return { login, hostKey: await ssh.hostKey(login) };
      } catch (error) {
        if (!(error instanceof SshFailure && error.reason === "denied")) throw error;
      }
    }
    return undefined;
  };

  const contact = async (
    inputs: Settings,
    known: string | undefined,
    { signal, stack, timeoutSeconds }: CallContext,
  ): Promise<Contact> => {
    const place = transportOf(inputs, known);
    const logins = [place, ...(await userLogins(place))];
    const seconds = timeoutSeconds > 0 ? timeoutSeconds : inputs.waitSeconds;
    let last = "";
    const attempt = async (): Promise<{ readonly taken: Contact | undefined } | undefined> => {
      try {
        return { taken: await firstTaken(logins) };
      } catch (error) {
        if (!(error instanceof SshFailure && passes(error))) throw asksForOther(inputs, stack, error);
        last = error.message;
        return undefined;
      }
    };
    const options = { seconds, signal, clock, firstMilliseconds: 1000, maximumMilliseconds: 3000 };
    const answered = await waitFor(attempt, options);
    if (answered === undefined) {
      throw new Error(`${inputs.nodeName} did not answer by SSH within ${String(seconds)} s: ${last}`);
    }
    if (answered.taken !== undefined) return answered.taken;
    throw new Error(
      `${inputs.nodeName}: ${placeOf(place)} must take the cluster's key or one of yours, and takes neither. Name yours in ` +
        `${userKeyVariable} (a file without a passphrase), or give it to an ssh-agent (ssh-add), and run again; or put this ` +
        `line into ~/.ssh/authorized_keys of ${inputs.user} there:\n${inputs.publicKey}`,
    );
  };

  const look = async (inputs: Settings, login: SshLogin): Promise<MachineFacts> => {
    const now = clock.now();
    const facts = await probeMachine(ssh, login);
    const { clusterName, nodeName } = inputs;
    const problems = describeMachineProblems(judgeMachine(facts, { clusterName, nodeName, now }));
    if (problems.length === 0) return facts;
    throw new Error(
      `${nodeName} cannot be made of ${placeOf(login)} yet; nothing was changed there:\n` +
        problems.map((line) => `  - ${line}`).join("\n"),
    );
  };

  /** From the mark on there is something to take off again. */
  const join = async (
    inputs: Settings,
    { login, hostKey }: Contact,
    facts: MachineFacts,
    identity: string,
  ): Promise<State> => {
    const { clusterName, nodeName } = inputs;
    const machineId = facts["MACHINE_ID"] ?? "";
    const found: State = {
      ...inputs,
      ...{ knownHostKey: hostKey, identity, machineId, sshPorts: sshPortsOf(facts), reachable: true },
    };
    try {
      await markMachine(ssh, login, { clusterName, nodeName, machineId, identity }, inputs.publicKey);
      await setUpMachine(ssh, transportOf(inputs, hostKey), inputs.setup);
    } catch (error) {
      const message =
        error instanceof SshFailure && error.reason === "denied"
          ? `${error.message}, although it is in ~/.ssh/authorized_keys of ${inputs.user} there: see AuthorizedKeysFile and PubkeyAuthentication in what \`sudo sshd -T\` says`
          : error instanceof Error
            ? error.message
            : String(error);
      throw new PartialFailure(`${nodeName}: ${message}`, idOf(inputs), {
        ...found,
        setup: "",
        reachable: false,
      });
    }
    return found;
  };

  return resource({
    type: "homespan:index:ExistingMachine",
    inputs: existingMachineInputs,
    outputs: existingMachineOutputs,
    secretOutputs: ["privateKey"],
    replaceOn: ["clusterName", "nodeName"],
    createOnly: ["waitSeconds"],
    drift: (state) => (state.reachable ? [] : ["reachable"]),
    async create(inputs, context) {
      const found = await contact(inputs, inputs.hostKey, context);
      const facts = await look(inputs, found.login);
      const identity = isThisNode(facts, { ...inputs, now: 0 }) ? (facts["OWNER_ID"] ?? "") : random(8);
      return { id: idOf(inputs), outputs: await join(inputs, found, facts, identity) };
    },
    async read(state) {
      try {
        const mark = await readMark(
          ssh,
          transportOf(state, state.hostKey ?? state.knownHostKey),
          QUESTION_SECONDS,
        );
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
      const found = await contact(inputs, inputs.hostKey ?? state.knownHostKey, context);
      const facts = await look(inputs, found.login);
      if (!isThisNode(facts, { ...inputs, now: 0 }) || facts["OWNER_ID"] !== state.identity) {
        throw new Error(
          `${inputs.nodeName}: ${placeOf(inputs)} is another machine than the node's, or has lost its data. To make the node ` +
            `anew on it: ${recreateCommand(inputs.nodeName, context.stack)}`,
        );
      }
      return join(inputs, found, facts, state.identity);
    },
    async delete(state, _id, { signal, warn }) {
      const transport = transportOf(state, state.hostKey ?? state.knownHostKey);
      const place = `${state.nodeName} (${placeOf(transport)})`;
      const unreachable = await whyUnreachable({ ssh, clock }, transport, signal);
      if (unreachable !== undefined) {
        await warn?.(
          `${place} could not be reached (${unreachable}): the cluster and the tailnet forget it, and on it remain Homespan, ` +
            `k3s, Tailscale and the node's data. Once it is back, on it: sudo /usr/lib/homespan/leave`,
        );
        return;
      }
      await warn?.(`${place}: Homespan, k3s, Tailscale and the node's data in /data are taken off it`);
      await clearMachine(ssh, transport);
    },
  });
}

function idOf({ clusterName, nodeName }: Settings): string {
  return `${clusterName}/${nodeName}`;
}

function asksForOther(inputs: Settings, stack: string | undefined, error: unknown): unknown {
  if (!(error instanceof SshFailure) || error.shown === undefined) return error;
  const rule =
    inputs.hostKey === undefined
      ? "show the host key of its first contact"
      : "show the key in `existing.hostKey`";
  return new Error(
    `${inputs.nodeName}: ${placeOf(inputs)} must ${rule}, got ${fingerprint(error.shown)}. Another machine answers there, or ` +
      `somebody is in between; if you installed it anew: ${recreateCommand(inputs.nodeName, stack)}`,
  );
}
