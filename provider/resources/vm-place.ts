/** The place a virtual machine takes on its host: all that would be impossible is said before anything is made. */
import { hasInterface } from "../effects/libvirt.ts";
import type { z } from "zod";
import type { Effects } from "../effects/effects.ts";
import { vmPlaceInputs, vmPlaceOutputs } from "../schema/libvirt.ts";
import { resource } from "../server/resource.ts";

type Place = z.output<typeof vmPlaceInputs>;
type State = z.output<typeof vmPlaceOutputs>;

/** Board of every node's virtual machine. */
const MACHINE = "q35";

/** What of the names on a host is there by this stack's own hand. */
interface Ours {
  readonly name: string | undefined;
  readonly volumes: readonly string[];
  /** Those that an update has given up, and that go when it is done. */
  readonly former: readonly string[];
}
const noVolumes = { volumes: [], former: [] };

export function vmPlace({ libvirt }: Pick<Effects, "libvirt">) {
  /** What the host must have, whether the virtual machine is there already or not. */
  const room = async (place: Place): Promise<string[]> => {
    const { uri, type, memoryMiB, vcpus } = place;
    const host = await libvirt.node(uri);
    return [
      ...((await libvirt.supports(uri, type, MACHINE))
        ? []
        : [
            type === "kvm"
              ? `\`type\` must be what ${uri} can run, got kvm, and /dev/kvm is missing or not for libvirt; with qemu it runs without, many times slower`
              : `\`type\` must be what ${uri} can run, got ${type}`,
          ]),
      ...(memoryMiB < host.memoryMiB
        ? []
        : [
            `\`memoryMiB\` must be less than the ${String(host.memoryMiB)} MiB of ${uri}, got ${String(memoryMiB)}`,
          ]),
      ...(vcpus <= host.cpus
        ? []
        : [`\`vcpus\` must be at most the ${String(host.cpus)} of ${uri}, got ${String(vcpus)}`]),
      ...(await networkProblems(place)),
    ];
  };

  const networkProblems = async ({ uri, network, mac, address }: Place): Promise<string[]> => {
    const { kind, name } = network;
    if (kind === "network") {
      if (await libvirt.networkActive(uri, name)) return addressProblems(uri, name, mac, address);
      return [
        `\`network\` must be an active network of ${uri}, got ${JSON.stringify(name)}; start it: virsh -c ${uri} net-start ${name}`,
      ];
    }
    const found = await libvirt.interfaces(uri);
    if (found === undefined || hasInterface(found, name)) return [];
    return [
      `\`network\` must be a ${kind === "bridge" ? "bridge" : "network interface"} of ${uri}, got ${JSON.stringify(name)}; it has ${found.join(", ")}`,
    ];
  };

  const addressProblems = async (
    uri: string,
    network: string,
    mac: string | undefined,
    address: string | undefined,
  ): Promise<string[]> => {
    if (address === undefined) return [];
    const other = (await libvirt.reservations(uri, network)).find((it) => it.address === address);
    if (other === undefined || other.mac === mac) return [];
    return [
      `\`address\` must be free in the network ${network} of ${uri}, got ${address}, which is reserved for ${other.mac}`,
    ];
  };

  /** Names that somebody has already: not looked at again once they are ours. */
  const taken = async (
    { uri, name, pool, volumes }: Place,
    present: readonly string[] | undefined,
    ours: Ours,
  ): Promise<string[]> => {
    if (present === undefined)
      return [
        `\`pool\` must be an active storage pool of ${uri}, got ${JSON.stringify(pool)}; start it: virsh -c ${uri} pool-start ${pool} ` +
          `(docs/libvirt.md, step 4, makes one)`,
      ];
    const strange = volumes.filter((volume) => !ours.volumes.includes(volume) && present.includes(volume));
    return [
      ...(ours.name === name || !(await libvirt.domainExists(uri, name))
        ? []
        : [
            `\`name\` must be free on ${uri}, got ${JSON.stringify(name)}, which is there and not this stack's`,
          ]),
      ...strange.map((volume) => {
        const whose = ours.former.includes(volume)
          ? "left by an update that did not end, which takes it away: finish that update first, with what it was to change, then go back"
          : "there and not this stack's; it is not touched";
        return `\`volumes\` must be free in ${pool} of ${uri}, got ${JSON.stringify(volume)}, which is ${whose}`;
      }),
    ];
  };

  /** Another way to the same host changes nothing. To another host no disk moves. */
  const insistOnHost = async ({ uri, uuid, name, pool, volumes }: State, to: string): Promise<void> => {
    if (to === uri || (await libvirt.domainState(to, uuid)) !== undefined) return;
    const present = (await libvirt.volumes(to, pool)) ?? [];
    if (volumes.some((volume) => present.includes(volume))) return;
    throw new Error(
      `\`uri\` must lead to the host that ${name} is on, got ${to}, and nothing of it is there. To another host a machine is moved by ` +
        `taking its node out of the configuration, and adding it after an \`up\``,
    );
  };

  /** A network that the machine leaves has its address reserved no longer. */
  const leaveNetwork = async (state: State, { uri, network, mac }: Place): Promise<void> => {
    if (state.network.kind !== "network" || state.mac === undefined) return;
    if (state.mac === mac && state.network.name === network.name && network.kind === "network") return;
    await libvirt.forgetReservation(uri, state.network.name, state.mac);
  };

  /** A definition that libvirt took and could not start is in no state: it is taken away with the place. */
  const clear = async ({ uri, name, uuid }: Place): Promise<void> => {
    const state = await libvirt.domainState(uri, uuid);
    if (state === undefined) return;
    if (state !== "shut off") {
      throw new Error(
        `${name} on ${uri} is ${state} and in no state of Pulumi's; end it: virsh -c ${uri} destroy ${name}, then run again`,
      );
    }
    await libvirt.undefineDomain(uri, uuid);
  };

  const insist = (problems: readonly string[]): void => {
    if (problems.length > 0) throw new Error(problems.join("\n"));
  };

  return resource({
    type: "homespan:index:VmPlace",
    inputs: vmPlaceInputs,
    outputs: vmPlaceOutputs,
    secretOutputs: [],
    // What is made in the place goes after it is there, and before it goes: one that is replaced would have to go first.
    replaceOn: [],
    createOnly: [],
    async create(inputs) {
      const { uri, name, pool } = inputs;
      const nothing = { name: undefined, ...noVolumes };
      insist([...(await room(inputs)), ...(await taken(inputs, await libvirt.volumes(uri, pool), nothing))]);
      return { id: `${uri}#${name}`, outputs: { ...inputs, formerVolumes: [] } };
    },
    read: (state) => Promise.resolve(state),
    async update(state, inputs) {
      await insistOnHost(state, inputs.uri);
      const { name, pool, volumes, formerVolumes = [] } = state;
      const ours = { name, ...(pool === inputs.pool ? { volumes, former: formerVolumes } : noVolumes) };
      const present = await libvirt.volumes(inputs.uri, inputs.pool);
      insist([...(await room(inputs)), ...(await taken(inputs, present, ours))]);
      await leaveNetwork(state, inputs);
      const gone = [...ours.former, ...ours.volumes].filter((volume) => !inputs.volumes.includes(volume));
      const left = gone.filter((volume) => present?.includes(volume) === true);
      return { ...inputs, formerVolumes: left };
    },
    async delete(place) {
      await clear(place);
      const { uri, network, mac } = place;
      if (network.kind !== "network" || mac === undefined) return;
      await libvirt.forgetReservation(uri, network.name, mac);
    },
  });
}
