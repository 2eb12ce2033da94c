/** The membership of one node: created when it is Ready with the right labels; deleted by an orderly removal. */
import type { z } from "zod";
import { type ClusterNode, getNode, patchNode } from "../effects/cluster-nodes.ts";
import type { Effects } from "../effects/effects.ts";
import { type KubernetesApi, Unreachable } from "../effects/kubernetes.ts";
import { withServerLock } from "../effects/lease.ts";
import { checkQuorum, removeNode } from "../effects/node-removal.ts";
import { missingServers } from "../effects/other-servers.ts";
import { patientKubernetes } from "../effects/patient-kubernetes.ts";
import { remainingDevices } from "../effects/tailnets.ts";
import { type Presence, restoredNode } from "../effects/restored-node.ts";
import { signsOfLife } from "../effects/signs-of-life.ts";
import { waitFor } from "../effects/wait.ts";
import { isOwnDevice, ownDevice } from "../logic/own-device.ts";
import { type NodeLabels, labelPatch, ownedLabels } from "../logic/node-labels.ts";
import { isReady, isStopped, stuckText } from "../logic/stage.ts";
import { membershipInputs, membershipOutputs } from "../schema/resources.ts";
import { PartialFailure } from "../server/partial-failure.ts";
import { type CallContext, resource } from "../server/resource.ts";
import { pathText } from "../server/problems.ts";

type Settings = z.output<typeof membershipInputs>;
type State = z.output<typeof membershipOutputs>;

/** A removal with its drain, plus what k3s and Kubernetes take for themselves, ends well within this. */
const LOCK_SECONDS = 240;
/** A Node that is missing although the machine says it was Ready: after this long k3s is made to register again. By SSH later, as a slow machine pays seconds for each login. */
const REGISTER_AGAIN_SECONDS = { podman: 4, ssh: 32 };
/** Asked again after twice as long each time, up to this: a machine that comes up has other things to do than to answer. */
const REGISTER_AGAIN_CAP_SECONDS = 32;

export function membership(effects: Effects) {
  const { nodeLists, nodes, tailnets, clock, restoring } = effects;
  const kubernetes = patientKubernetes(effects.kubernetes, clock);

  /** Cluster -> APIs of all servers it is to have, as the program of this run says. */
  const wanted = new Map<string, readonly string[]>();
  const learn = ({ clusterName, role, endpoints }: Settings): void => {
    if (role === "server") wanted.set(clusterName, endpoints);
  };

  const idOf = (inputs: Settings): string => `${inputs.clusterName}/${inputs.nodeName}`;

  const partial = (
    inputs: Settings,
    node: ClusterNode | undefined,
    device?: { id: string; address: string },
  ) => ({
    ...inputs,
    ready: node?.ready ?? false,
    foundLabels: ownedLabels(inputs.labels, node?.labels ?? {}),
    tailnetAddress: device?.address ?? "",
    deviceId: device?.id ?? "",
    nodeUid: node?.uid ?? "",
    kubeletVersion: node?.kubeletVersion ?? "",
    restored: restoring()?.id ?? "",
  });

  /**
   * Waits for the Node, in one loop that also gets a node back whose Node object was deleted by hand, or whose password a
   * restore took away.
   *
   * @param owned - labels of before, which a wait in vain leaves as they are
   * @param confirm - ask the node itself too: the cluster calls a node Ready for most of a minute after its end.
   */
  const waitReady = async (
    api: KubernetesApi,
    inputs: Settings,
    { owned, confirm }: { readonly owned: NodeLabels; readonly confirm: boolean },
    context: CallContext,
  ): Promise<ClusterNode> => {
    const seconds = context.timeoutSeconds > 0 ? context.timeoutSeconds : inputs.waitSeconds;
    let last: ClusterNode | undefined;
    // Asking a node costs more than asking the API, so it is done at a pace of its own.
    let pause: number = REGISTER_AGAIN_SECONDS[inputs.transport.kind];
    let askAt = clock.now() + pause * 1000;
    let restarted = false;
    let reach = "";
    let presence = "back" as Presence;
    const order = restoring();
    const reported =
      order === undefined ? undefined : restoredNode(inputs.nodeName, order.nodes[inputs.nodeName] === "");
    const ready = await waitFor(
      async () => {
        try {
          presence = (await reported?.(api)) ?? "back";
          last = await getNode(api, inputs.nodeName);
          reach = "";
        } catch (error) {
          if (!(error instanceof Unreachable)) throw error;
          reach = error.message;
          return undefined;
        }
        if (presence === "silent") return undefined;
        if (last?.ready === true && presence === "back") {
          return !confirm || isReady(await nodes.stages(inputs.transport)) ? last : undefined;
        }
        if ((last === undefined || presence === "unproven") && !restarted && clock.now() > askAt) {
          pause = Math.min(2 * pause, REGISTER_AGAIN_CAP_SECONDS);
          askAt = clock.now() + pause * 1000;
          const stages = await nodes.stages(inputs.transport);
          // Stopped is one that left, by a run which then did not go on to remove its machine.
          restarted = isReady(stages) || isStopped(stages);
          if (restarted) await nodes.restartK3s(inputs.transport);
        }
        return undefined;
      },
      { seconds, signal: context.signal, clock, firstMilliseconds: 200, maximumMilliseconds: 250 },
    );
    if (ready !== undefined) return ready;
    const stuck = stuckText(await nodes.stages(inputs.transport), clock.now());
    const nodeSays =
      presence === "unproven" ? "k3s keeps no password of it" : `its Node says: ${last?.reason ?? ""}`;
    const seen = reach || (last === undefined ? "it has not registered" : nodeSays);
    const message = `node ${inputs.nodeName} was not Ready within ${String(seconds)} s: ${stuck}; ${seen}`;
    // A Node that exists has to be removed again, whatever becomes of this run; and a later one knows a label that was dropped
    // by the state alone.
    const labels = { ...owned, ...inputs.labels };
    if (last !== undefined)
      throw new PartialFailure(message, idOf(inputs), partial({ ...inputs, labels }, last));
    throw new Error(message);
  };

  const ensure = async (
    inputs: Settings,
    expected: { readonly owned: NodeLabels; readonly confirm: boolean },
    context: CallContext,
  ): Promise<State> => {
    const api = await kubernetes.connect(inputs);
    let node = await waitReady(api, inputs, expected, context);
    const labels = labelPatch(expected.owned, inputs.labels, node.labels);
    if (Object.keys(labels).length > 0 || node.unschedulable) {
      // A cordon that is left here comes from a removal that was interrupted.
      node = await patchNode(api, inputs.nodeName, {
        ...(Object.keys(labels).length > 0 ? { metadata: { labels } } : {}),
        ...(node.unschedulable ? { spec: { unschedulable: null } } : {}),
      });
    }
    return partial(inputs, node, ownDevice(inputs, node, (await tailnets.devices(inputs.tailnet)) ?? []));
  };

  const remove = async (state: State, { signal, timeoutSeconds }: CallContext): Promise<void> => {
    const others = state.endpoints.filter((endpoint) => endpoint !== state.ownEndpoint);
    if (others.length === 0) {
      throw new Error(
        `${state.nodeName} must not be removed: it is the cluster's only server; destroy the whole stack, or add servers first`,
      );
    }
    const api = await kubernetes.connect({ kubeconfig: state.kubeconfig, endpoints: others });
    const signs = await signsOfLife(nodes, kubernetes, state);
    const stop = (): Promise<boolean> => nodes.stopK3s(state.transport);
    const resume = (): Promise<void> => nodes.restartK3s(state.transport).catch(() => undefined);
    const options = { clock, signal, drainSeconds: state.drainSeconds, ...signs, stop, resume };
    const work = (): Promise<void> => removeNode(api, state.nodeName, state.etcd, options);
    if (state.role === "agent") {
      await work();
      return;
    }
    const waitSeconds = timeoutSeconds > 0 ? timeoutSeconds : state.waitSeconds;
    const holdSeconds = LOCK_SECONDS + state.drainSeconds;
    const inLock = <T>(locked: () => Promise<T>): Promise<T> =>
      withServerLock(api, state.nodeName, { clock, signal, waitSeconds, holdSeconds }, locked);
    if (!state.etcd) {
      await inLock(work);
      return;
    }
    await lastOfAll(state, api, { seconds: waitSeconds, signal }, inLock, work);
  };

  /**
   * Servers that are replaced in one run go one after the other: the next one once the replacement of the former is a
   * voter. The replacement needs nothing of who waits for it.
   */
  const lastOfAll = async (
    state: State,
    api: KubernetesApi,
    { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
    inLock: <T>(locked: () => Promise<T>) => Promise<T>,
    work: () => Promise<void>,
  ): Promise<void> => {
    const { nodeName, kubeconfig, ownEndpoint } = state;
    let missing: readonly string[] = [];
    const complete = async (): Promise<boolean> => {
      const all = wanted.get(state.clusterName) ?? state.endpoints;
      const endpoints = all.filter((endpoint) => endpoint !== ownEndpoint);
      missing = await missingServers(kubernetes, api, { nodeName, kubeconfig, endpoints });
      return missing.length === 0;
    };
    const attempt = async (): Promise<true | undefined> => {
      if (!(await complete())) return undefined;
      // Another one may have left while this one waited for the lock.
      return inLock(async () => ((await complete()) ? work().then(() => true as const) : undefined));
    };
    // Each of the others may be replaced before.
    const patience = seconds * Math.max(1, state.endpoints.length - 1);
    const done = await waitFor(attempt, {
      seconds: patience,
      signal,
      clock,
      firstMilliseconds: 500,
      maximumMilliseconds: 3000,
    });
    if (done === true) return;
    await checkQuorum(api, nodeName);
    throw new Error(
      `${nodeName} was left as it is: servers leave one at a time, and after ${String(patience)} s the others are not ` +
        `complete: ${missing.join("; ")}. Mend these, or take them out of the configuration, and run again`,
    );
  };

  const removeDevice = async (state: State): Promise<void> => {
    const devices = await remainingDevices(tailnets, state.tailnet, state.nodeName);
    // A device that logged in again has another id, and a creation that was interrupted never knew one: host name and tag
    // tell both.
    const own = devices.filter(
      (device) =>
        isOwnDevice(state, device) || (device.id === state.deviceId && device.tags.includes(state.tag)),
    );
    for (const device of own) await tailnets.removeDevice(state.tailnet, device.id);
  };

  return resource({
    type: "homespan:index:Membership",
    inputs: membershipInputs,
    outputs: membershipOutputs,
    secretOutputs: ["kubeconfig"],
    replaceOn: ["clusterName", "nodeName", "role", "identity", "hostName", "tag"],
    createOnly: ["waitSeconds"],
    drift: (state, news) => {
      // Every member that stays is looked at before any that does not is removed.
      learn(news);
      const order = restoring();
      return [
        ...(state.ready ? [] : ["ready"]),
        ...(order === undefined || order.id === state.restored ? [] : ["restored"]),
        ...Object.keys(news.labels)
          .filter((name) => name in state.labels && state.foundLabels[name] !== news.labels[name])
          .map((name) => pathText(["foundLabels", name])),
      ];
    },
    async create(inputs, context) {
      learn(inputs);
      const id = idOf(inputs);
      try {
        return {
          id,
          outputs: await ensure(inputs, { owned: {}, confirm: restoring() !== undefined }, context),
        };
      } catch (error) {
        if (error instanceof PartialFailure) throw error;
        // The machine has all it needs to register, whatever ended this wait: without a state nobody would remove what
        // it leaves in cluster and tailnet, and the next node of its name would be rejected (k3s#802).
        const message = error instanceof Error ? error.message : String(error);
        throw new PartialFailure(message, id, partial(inputs, undefined));
      }
    },
    async read(state) {
      try {
        const list = await nodeLists.list({ kubeconfig: state.kubeconfig, endpoints: state.endpoints });
        const node = list.find((candidate) => candidate.name === state.nodeName);
        // One that was never seen may still register: it is waited for again, or removed in order.
        if (node === undefined) return state.nodeUid === "" ? { ...state, ready: false } : undefined;
        const devices = await tailnets.devices(state.tailnet);
        const device = ownDevice(state, node, devices ?? []);
        // Without its device a node is cut off, whatever the cluster still believes of it.
        const lost = device === undefined && devices?.every((other) => other.id !== state.deviceId) === true;
        const cutOff = lost && state.deviceId !== "";
        return {
          ...state,
          ready: node.ready && !cutOff && (await nodes.reachable(state.transport)),
          foundLabels: ownedLabels(state.labels, node.labels),
          nodeUid: node.uid,
          kubeletVersion: node.kubeletVersion,
          ...(device === undefined ? {} : { deviceId: device.id, tailnetAddress: device.address }),
        };
      } catch (error) {
        // No server answers: that says nothing about this node, except that it has to be looked at again.
        if (error instanceof Unreachable) return { ...state, ready: false };
        throw error;
      }
    },
    update: (state, inputs, context) =>
      ensure(inputs, { owned: state.labels, confirm: !state.ready || restoring() !== undefined }, context),
    async delete(state, _id, context) {
      try {
        // Where the cluster is restored there is none to leave: the machine that comes takes this node's place.
        if (restoring() === undefined) await remove(state, context);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        throw new Error(
          `${state.nodeName} cannot leave its cluster: ${error.message}. Start one of its servers and run again; if all ` +
            `are lost, ./homespan restore brings the cluster back from a snapshot`,
          { cause: error },
        );
      }
      await removeDevice(state);
    },
  });
}
