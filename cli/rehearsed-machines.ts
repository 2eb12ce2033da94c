/** The virtual machines on libvirt of a configuration, and what a rehearsal has to change of it for them. */
import { cloudNames } from "../components/render/names.ts";
import type { HomeLibvirt, LibvirtOrder } from "../rehearsal/rehearsal.ts";
import { InputError } from "./errors.ts";
import { settingOf, type StackFile } from "./settings.ts";

export interface RehearsedMachines {
  /** Names of the nodes. */
  readonly nodes: readonly string[];
  /** Names of the storage pools of all hosts. */
  readonly pools: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

const roles = { servers: "server", agents: "agent" } as const;
type Key = keyof typeof roles;
const keys: readonly Key[] = ["servers", "agents"];

/**
 * A value that is missing or wrong is config's to refuse, with its own words.
 *
 * @throws InputError with the setting that leaves out what nothing plays
 */
export function rehearsedMachines(config: StackFile): RehearsedMachines | undefined {
  const placed = keys.flatMap((key) =>
    nodesOf(config, key).flatMap((node, index) => (isVm(node) ? [{ key, index, node }] : [])),
  );
  if (placed.length === 0) return undefined;
  const problems = placed.flatMap(({ key, index, node }) => {
    const { dataDevice, ...vm } = mapping(node["vm"]);
    if (dataDevice === undefined) return [];
    const field = `${key}[${index}].vm`;
    return [
      `\`${field}.dataDevice\` must be a disk of the pool to be rehearsed, got ${JSON.stringify(dataDevice)}; ` +
        `use: --set '${field}=${JSON.stringify({ ...vm, dataDiskGiB: 8 })}'`,
    ];
  });
  if (problems.length > 0) throw new InputError(problems.join("\n"));
  const pools = Object.values(hostsOf(config)).map((host) => mapping(host)["pool"] ?? "default");
  return {
    nodes: placed.map(({ key, index, node }) => nameOf(node, key, index)),
    pools: [...new Set(pools.filter((pool) => typeof pool === "string"))].sort(),
  };
}

/** What the rehearsal's libvirt is asked for, of a cluster with this name. */
export function libvirtOrder({ nodes, pools }: RehearsedMachines, clusterName: string): LibvirtOrder {
  return {
    pools,
    machines: Object.fromEntries(nodes.map((node) => [cloudNames(clusterName, node).instance, node])),
  };
}

/**
 * The rehearsed libvirt answers elsewhere than the hosts whose part it plays, has one network, and an image of its own; its
 * processor may be QEMU's alone, and limits may not be raised here.
 */
export function ownMachines(config: StackFile, home: HomeLibvirt | undefined): string[] {
  if (home === undefined) return [];
  const { uri, type, bridge, image } = home;
  const place = { uri, type, network: { kind: "bridge", name: bridge } };
  const hosts = Object.entries(hostsOf(config)).map(([name, host]) => [name, { ...mapping(host), ...place }]);
  const flatcar = settingOf(config, "flatcar");
  return [
    ...(hosts.length === 0 ? [] : [`libvirtHosts=${JSON.stringify(Object.fromEntries(hosts))}`]),
    ...(flatcar === undefined
      ? []
      : [
          `flatcar=${JSON.stringify({ ...mapping(flatcar), sha256: image.sha256, mirrors: [image.mirror] })}`,
        ]),
    ...keys.flatMap((key) => {
      const nodes = nodesOf(config, key);
      if (!nodes.some(isVm)) return [];
      const own = nodes.map((node, index) =>
        isVm(node) ? { ...node, vm: ownVm(mapping(node["vm"]), home, nameOf(node, key, index)) } : node,
      );
      return [`${key}=${JSON.stringify(own)}`];
    }),
  ];
}

function ownVm({ network: _network, ...vm }: Fields, home: HomeLibvirt, node: string): Fields {
  const address = home.addresses[node];
  return {
    ...vm,
    // One that is missing is missed.
    ...(vm["address"] === undefined || address === undefined ? {} : { address }),
    ...(home.memoryHardLimit ? {} : { memoryHardLimit: false }),
  };
}

/** As the stacks name a node that has no name. */
function nameOf({ name }: Fields, key: Key, index: number): string {
  return typeof name === "string" ? name : `${roles[key]}-${index + 1}`;
}

function isVm(node: Fields): boolean {
  return node["vm"] !== undefined;
}

function nodesOf(config: StackFile, key: Key): readonly Fields[] {
  const value = settingOf(config, key);
  return Array.isArray(value) ? value.map(mapping) : [];
}

function hostsOf(config: StackFile): Fields {
  return mapping(settingOf(config, "libvirtHosts"));
}

function mapping(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}
