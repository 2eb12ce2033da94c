/**
 * Makes a node of a bare machine with systemd, by SSH. The first contact learns the machine's host key; whoever shows
 * another one later is told nothing.
 */
import type { z } from "zod";
import type { ArchivedFile } from "../effects/archive.ts";
import {
  type BootDelivery,
  NotReady,
  type Sums,
  askBootFiles,
  hasSeeds,
  ownBootFiles,
  putBootFiles,
  removeSeeds,
  revisionInForce,
  splitSeeds,
  startBootFiles,
  stopTailscaled,
} from "../effects/boot-files.ts";
import type { Effects } from "../effects/effects.ts";
import { Patience, comesYet } from "../effects/patient-machine.ts";
import { keyDelivery, waitForLogin } from "../effects/tailnet-login.ts";
import { sha256 } from "../logic/join-files.ts";
import { stuckText } from "../logic/stage.ts";
import type { SshTransport } from "../schema/common.ts";
import { machineBootInputs, machineBootOutputs } from "../schema/machines.ts";
import { pathText } from "../server/problems.ts";
import { PartialFailure } from "../server/partial-failure.ts";
import { type CallContext, resource } from "../server/resource.ts";
import type { ServerTurns } from "./server-turns.ts";

type Settings = z.output<typeof machineBootInputs>;
type State = z.output<typeof machineBootOutputs>;

/** The sequence moves seeds within a second or two of its beginning. */
const LOST_AFTER_ANSWERS = 5;

/** A machine that takes commands. */
interface Contact {
  readonly hostKey: string;
  readonly transport: SshTransport;
  /** Its boot files, as found. */
  readonly sums: Sums;
}

function transportOf(inputs: Settings, hostKey: string | undefined): SshTransport {
  const { address, port, user, privateKey, library, via } = inputs;
  return {
    ...{ kind: "ssh", address, port, user, privateKey },
    ...(hostKey === undefined ? {} : { hostKey }),
    ...(library === undefined ? {} : { library }),
    ...(via === undefined ? {} : { via }),
  };
}

function expectedSums(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([path, content]) => [path, sha256(content)]));
}

function deliveries(files: Readonly<Record<string, string>>, paths: readonly string[]): ArchivedFile[] {
  return paths.map((path) => ({ path, content: files[path] ?? "", mode: 0o644 }));
}

async function bootFilesFor({ nodeName, bootRevision: wanted }: Settings) {
  const own = await ownBootFiles();
  if (own.revision === wanted) return own;
  throw new Error(
    `\`bootRevision\` of ${nodeName} must be that of the provider's own boot files, ${own.revision}, got ${wanted}: ` +
      `this project's files changed during the run; run again`,
  );
}

export function machineBoot(effects: Effects, turns: ServerTurns) {
  const { ssh, nodes, clock } = effects;

  const patience = (inputs: Settings, { signal, timeoutSeconds }: CallContext): Patience =>
    new Patience(inputs.nodeName, timeoutSeconds > 0 ? timeoutSeconds : inputs.waitSeconds, clock, signal);

  /** Waits until the machine takes commands. Without a known host key, that of the machine that does is learned. */
  const contact = (inputs: Settings, known: string | undefined, time: Patience): Promise<Contact> =>
    time.keepTrying(async () => {
      const transport = transportOf(inputs, known);
      const sums = await askBootFiles(ssh, transport);
      const hostKey = known ?? (await ssh.hostKey(transport));
      return { hostKey, transport: transportOf(inputs, hostKey), sums };
    });

  const deliverBoot = (
    own: BootDelivery,
    { transport, sums }: Contact,
    time: Patience,
    seeds: readonly ArchivedFile[] = [],
  ) =>
    time.keepTrying(async () => {
      await putBootFiles(ssh, transport, own, sums, seeds);
      await startBootFiles(ssh, transport);
    });

  const explain = async (transport: SshTransport): Promise<string> =>
    `; ${stuckText(await nodes.stages(transport), clock.now())}`;

  /** The node's own files; the boot sequence makes the directory they go to. */
  const put = async (
    { transport }: Contact,
    files: readonly ArchivedFile[],
    time: Patience,
  ): Promise<void> => {
    if (files.length === 0) return;
    await time.keepTrying(
      () => nodes.put(transport, files),
      () => explain(transport),
    );
  };

  const outputsOf = (inputs: Settings, { hostKey, transport }: Contact): State => ({
    ...inputs,
    hostKey,
    transport,
    checksums: expectedSums(inputs.files),
    foundRevision: inputs.bootRevision,
    reachable: true,
  });

  /** What is known of a machine that was left halfway: everything about it is to be looked at again. */
  const halfway = (inputs: Settings, found: Contact): State => ({
    ...outputsOf(inputs, found),
    authKey: "",
    checksums: {},
    foundRevision: "",
  });

  /**
   * Everything, for a machine that has nothing yet: in one delivery, so that it downloads what it needs from the beginning on, and
   * begins once. One that came with its boot files has begun by itself.
   */
  const deliverAll = async (inputs: Settings, found: Contact, time: Patience): Promise<void> => {
    const files = [keyDelivery(inputs.authKey), ...deliveries(inputs.files, Object.keys(inputs.files))];
    const own = await bootFilesFor(inputs);
    if (
      inputs.beginsByItself === true &&
      revisionInForce(found.sums) === own.revision &&
      !hasSeeds(found.sums)
    ) {
      await put(found, files, time);
      return;
    }
    const { seeds, others } = splitSeeds(files);
    await deliverBoot(own, found, time, seeds);
    await put(found, others, time);
    await taken(inputs, found, time);
  };

  /** The boot sequence has made the data directory, and the node's own files are in it. */
  const taken = (inputs: Settings, { transport }: Contact, time: Patience): Promise<void> => {
    const wanted = expectedSums(inputs.files);
    let answers = 0;
    return time.keepTrying(
      async () => {
        const sums = await nodes.checksums(transport, Object.keys(wanted));
        // Why it does not answer: another machine in its place is no reason to wait.
        if (sums === undefined) await ssh.run(transport, ["true"]);
        else answers += 1;
        const missing = Object.keys(wanted).filter((path) => sums?.[path] !== wanted[path]);
        if (missing.length === 0) return;
        // A machine that lost its power may have lost what it was given.
        if (answers > LOST_AFTER_ANSWERS) await nodes.put(transport, deliveries(inputs.files, missing));
        throw new NotReady(`its data directory has no ${missing.join(", ")} yet`);
      },
      () => explain(transport),
    );
  };

  /**
   * What differs.
   *
   * @returns true when the boot sequence runs again because of it, and may start k3s again.
   */
  const deliverChanges = async (
    state: State,
    inputs: Settings,
    found: Contact,
    time: Patience,
  ): Promise<boolean> => {
    const { transport, sums } = found;
    const own = await bootFilesFor(inputs);
    // Whatever was left halfway may be in place without having been started.
    const boot = state.foundRevision !== own.revision || revisionInForce(sums) !== own.revision;
    if (state.foundRevision === "") await removeSeeds(ssh, transport);
    if (boot) await deliverBoot(own, found, time);
    const dropped = Object.keys(state.files).filter((path) => !(path in inputs.files));
    const present = (await nodes.checksums(transport, Object.keys(inputs.files))) ?? {};
    const different = Object.keys(inputs.files).filter(
      (path) => present[path] !== sha256(inputs.files[path] ?? ""),
    );
    const files = deliveries(inputs.files, different);
    const newKey = state.authKey !== inputs.authKey;
    const wasLoggedIn = newKey && (await stopTailscaled(ssh, transport));
    await put(found, newKey ? [keyDelivery(inputs.authKey), ...files] : files, time);
    await nodes.remove(transport, dropped);
    if (wasLoggedIn) await waitForLogin(effects, { nodeName: inputs.nodeName, transport }, time.signal);
    return boot || newKey || different.length + dropped.length > 0;
  };

  return resource({
    type: "homespan:index:MachineBoot",
    inputs: machineBootInputs,
    outputs: machineBootOutputs,
    secretOutputs: ["privateKey", "authKey", "transport"],
    // Another machine with the data of the former one is still the same node, and is prepared as an update.
    replaceOn: ["nodeName", "identity"],
    createOnly: ["waitSeconds", "beginsByItself"],
    drift: (state, news) => {
      if (!state.reachable) return ["reachable"];
      const [former, wanted] = [expectedSums(state.files), expectedSums(news.files)];
      return [
        // What changes as an input is named there already.
        ...([news.bootRevision, state.bootRevision].includes(state.foundRevision) ? [] : ["foundRevision"]),
        ...Object.keys(wanted)
          .filter((path) => ![wanted[path], former[path]].includes(state.checksums[path]))
          .map((path) => pathText(["checksums", path])),
      ];
    },
    async create(inputs, context) {
      const id = `${inputs.nodeName}-${inputs.machineId}`;
      const time = patience(inputs, context);
      const found = await contact(inputs, inputs.knownHostKey, time);
      try {
        await deliverAll(inputs, found, time);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new PartialFailure(message, id, halfway(inputs, found));
      }
      return { id, outputs: outputsOf(inputs, found) };
    },
    async read(state) {
      const transport = transportOf(state, state.knownHostKey ?? state.hostKey);
      const paths = Object.keys(state.files);
      // Another machine at this address, or none: whether this one is gone is known to the cloud's own resource alone.
      if (!(await nodes.reachable(transport))) return { ...state, reachable: false };
      const none = (error: unknown): Sums => {
        if (comesYet(error)) return {};
        throw error;
      };
      const [sums, checksums] = await Promise.all([
        askBootFiles(ssh, transport).catch(none),
        nodes.checksums(transport, paths),
      ]);
      return {
        ...state,
        foundRevision: revisionInForce(sums),
        // Without its data directory a machine has none of them.
        checksums: checksums ?? Object.fromEntries(paths.map((path) => [path, ""])),
        reachable: true,
      };
    },
    async update(state, inputs, context) {
      if (state.machineId !== inputs.machineId) {
        const time = patience(inputs, context);
        const found = await contact(inputs, inputs.knownHostKey, time);
        await deliverAll(inputs, found, time);
        return outputsOf(inputs, found);
      }
      const hostKey = inputs.knownHostKey ?? state.hostKey;
      const transport = transportOf(inputs, hostKey);
      const work = async (): Promise<boolean> => {
        // Its turn may come late.
        const time = patience(inputs, context);
        return deliverChanges(state, inputs, await contact(inputs, hostKey, time), time);
      };
      // One that is down, or has lost its device in the tailnet, is of no use to the others until this is done.
      if (!state.reachable || state.authKey !== inputs.authKey) await work();
      else await turns.take({ nodeName: inputs.nodeName, transport, work }, context);
      return outputsOf(inputs, { hostKey, transport, sums: {} });
    },
    // The machine's own resource takes it away, with everything on it.
    delete: () => Promise.resolve(),
  });
}
