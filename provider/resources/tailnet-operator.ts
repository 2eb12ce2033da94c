/** This machine's way into a tailnet: started, logged in, found dead, started again, logged out. */
import type { z } from "zod";
import type { Effects } from "../effects/effects.ts";
import { OPERATOR_CA, type Operator } from "../effects/operator.ts";
import { remainingDevices } from "../effects/tailnets.ts";
import { waitFor } from "../effects/wait.ts";
import { tailnetOperatorInputs, tailnetOperatorOutputs } from "../schema/machines.ts";
import { PartialFailure } from "../server/partial-failure.ts";
import { type CallContext, resource } from "../server/resource.ts";

type Settings = z.output<typeof tailnetOperatorInputs>;
type State = z.output<typeof tailnetOperatorOutputs>;

/** States that an operator leaves by itself. */
const PASSING = ["", "NoState", "Starting"];
/** Those in which it has not read yet whether it logged in before, and how long that takes at the most. */
const UNREAD = ["", "NoState"];
const READ_SECONDS = 10;

function urlOf(port: number): string {
  return `http://127.0.0.1:${String(port)}`;
}

function portOf(proxyUrl: string): number {
  return Number(new URL(proxyUrl).port);
}

/** What keeps it from its tailnet, in words. */
function obstacle({ backend, problems }: Operator): string {
  if (backend === "NeedsMachineAuth") return "its device has to be approved in the tailnet's admin console";
  return [`it is ${backend}`, ...problems].join("; ");
}

/** Nodes find each other by names below it, so a wrong one would show much later, and not say so. */
function requireDomain({ domain }: Settings, found: Operator): void {
  if (domain === undefined || domain === found.domain) return;
  throw new Error(
    found.domain === ""
      ? "MagicDNS must be on in the tailnet: nodes find each other by their names"
      : `\`tailnet.domain\` must be the tailnet's own, ${found.domain}, got ${JSON.stringify(domain)}`,
  );
}

function secondsOf(inputs: Settings, { timeoutSeconds }: CallContext): number {
  return timeoutSeconds > 0 ? timeoutSeconds : inputs.waitSeconds;
}

export function tailnetOperator({ operators, tailnets, clock }: Effects) {
  /** True when the control server answers, and knows no such device. */
  const isLost = async ({ tailnet, deviceId }: Pick<State, "tailnet" | "deviceId">): Promise<boolean> => {
    if (tailnet === undefined || deviceId === "") return false;
    const devices = await tailnets.devices(tailnet);
    return devices !== undefined && devices.every((device) => device.id !== deviceId);
  };

  const start = (inputs: Settings, port: number | undefined, signal: AbortSignal): Promise<Operator> =>
    operators.start(operators.directory(inputs.clusterName), { ...inputs, port }, signal);

  /** Waits until it says that it is logged in, or that it cannot be without help. */
  const settle = async (inputs: Settings, context: CallContext): Promise<Operator> => {
    const directory = operators.directory(inputs.clusterName);
    const seconds = secondsOf(inputs, context);
    let last: Operator | undefined;
    const settled = await waitFor(
      async () => {
        last = await operators.find(directory);
        return last === undefined || PASSING.includes(last.backend) ? undefined : last;
      },
      {
        seconds,
        signal: context.signal,
        clock,
        firstMilliseconds: 100,
        maximumMilliseconds: 500,
      },
    );
    if (settled !== undefined) return settled;
    const reason = last === undefined ? "it ended" : obstacle(last);
    throw new Error(
      `the tailnet operator ${inputs.hostName} was not logged in within ${String(seconds)} s: ${reason}`,
    );
  };

  /** A key may be good for one login, so it is not offered to one that will find that it has used it. */
  const whenRead = async (inputs: Settings, found: Operator, { signal }: CallContext): Promise<Operator> => {
    const ask = async (): Promise<Operator | undefined> => {
      const now = await operators.find(operators.directory(inputs.clusterName));
      return now === undefined || UNREAD.includes(now.backend) ? undefined : now;
    };
    if (!UNREAD.includes(found.backend)) return found;
    return (await waitFor(ask, { seconds: READ_SECONDS, signal, clock, firstMilliseconds: 50 })) ?? found;
  };

  const login = async (inputs: Settings, found: Operator, context: CallContext): Promise<Operator> => {
    const directory = operators.directory(inputs.clusterName);
    try {
      await operators.login(directory, {
        ...inputs,
        // One that was only switched off needs no key, and a key may be good for one login.
        authKey: found.backend === "Stopped" ? undefined : inputs.authKey,
        again: found.known && found.backend !== "Stopped",
        seconds: secondsOf(inputs, context),
      });
    } catch (error) {
      const server = inputs.loginServer === "" ? "Tailscale" : inputs.loginServer;
      // One that waits to be approved has used its key, and says nothing but that its time is over.
      const waiting = await operators.find(directory);
      if (waiting?.backend === "NeedsMachineAuth") return waiting;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(
        `the tailnet operator ${inputs.hostName} could not log in to ${server}: ${reason}` +
          trustHint(reason, directory, inputs),
        { cause: error },
      );
    }
    return settle(inputs, context);
  };

  const ensure = async (
    inputs: Settings,
    former: State | undefined,
    context: CallContext,
  ): Promise<State> => {
    const directory = operators.directory(inputs.clusterName);
    let found = await operators.find(directory);
    const trustChanged = former !== undefined && former.caCertificate !== inputs.caCertificate;
    if (found === undefined || found.backend === "" || trustChanged) {
      found = await start(inputs, former === undefined ? undefined : portOf(former.proxyUrl), context.signal);
    }
    found = await whenRead(inputs, found, context);
    if (found.known && PASSING.includes(found.backend)) found = await settle(inputs, context);
    const lost = await isLost({ ...inputs, deviceId: found.deviceId });
    if (lost || !["Running", "NeedsMachineAuth"].includes(found.backend)) {
      found = await login(inputs, found, context);
    }
    if (found.backend !== "Running") {
      throw new Error(`the tailnet operator ${inputs.hostName} cannot reach its tailnet: ${obstacle(found)}`);
    }
    requireDomain(inputs, found);
    return stateOf(inputs, found, true);
  };

  const stateOf = (inputs: Settings, { port, deviceId }: Operator, running: boolean): State => {
    const directory = operators.directory(inputs.clusterName);
    return { ...inputs, proxyUrl: urlOf(port), directory, deviceId, running };
  };

  return resource({
    type: "homespan:index:TailnetOperator",
    inputs: tailnetOperatorInputs,
    outputs: tailnetOperatorOutputs,
    secretOutputs: ["authKey"],
    replaceOn: ["clusterName", "loginServer", "hostName"],
    createOnly: ["waitSeconds"],
    drift: (state) => (state.running ? [] : ["running"]),
    async create(inputs, context) {
      const id = `homespan-${inputs.clusterName}-operator`;
      const directory = operators.directory(inputs.clusterName);
      try {
        // A run that was killed may have left one that works.
        return { id, outputs: await ensure(inputs, undefined, context) };
      } catch (error) {
        const found = await operators.find(directory).catch(() => undefined);
        if (found?.known !== true) {
          // Nobody would know of it.
          await operators.stop(directory, { ...inputs, port: undefined });
          throw error;
        }
        // It has a device, and its key may be spent: the next run goes on from there.
        const message = error instanceof Error ? error.message : String(error);
        throw new PartialFailure(message, id, stateOf(inputs, found, false));
      }
    },
    async read(state) {
      // It is this machine's: another one that runs Pulumi has to start its own.
      const found = await operators.find(operators.directory(state.clusterName));
      const works = found?.backend === "Running" && urlOf(found.port) === state.proxyUrl;
      return { ...state, running: works && !(await isLost(state)) };
    },
    update: (state, inputs, context) => ensure(inputs, state, context),
    async delete(state) {
      const directory = operators.directory(state.clusterName);
      await operators.stop(directory, { ...state, port: portOf(state.proxyUrl) });
      // A device that has logged out stays in the tailnet's list.
      if (state.tailnet === undefined || state.deviceId === "") return;
      const devices = await remainingDevices(tailnets, state.tailnet, state.hostName);
      const own = devices.filter(({ id, hostName }) => id === state.deviceId && hostName === state.hostName);
      for (const { id } of own) await tailnets.removeDevice(state.tailnet, id);
    },
  });
}

/** Programs written in Go ask the keychain alone on macOS. */
function trustHint(reason: string, directory: string, { caCertificate }: Settings): string {
  if (process.platform !== "darwin" || caCertificate === "" || !reason.includes("x509")) return "";
  return `; macOS has to trust its CA: sudo security add-trusted-cert -d -k /Library/Keychains/System.keychain ${directory}/${OPERATOR_CA}`;
}
