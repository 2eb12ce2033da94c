/** Rules about nodes at home and what they stand on, the same in every stack of machines. */
import { limaNameProblems } from "../components/render/lima.ts";
import { limaSshPort } from "../components/render/lima-plan.ts";
import { cloudNames } from "../components/render/names.ts";
import { limaName } from "../components/upstream/lima.ts";
import { fieldPath, type Problem } from "./grammar.ts";
import type { FlatcarFields, LibvirtHostFields, MacFields } from "./home-schema.ts";
import {
  allNodes,
  isCoreos,
  isExisting,
  isLima,
  isVm,
  nodeField,
  nodesOf,
  type NodeLists,
  type PlacedNode,
} from "./machine-nodes.ts";
import type { Rule } from "./schema-check.ts";

/** What the rules work on. */
export interface HomeRuleFields extends NodeLists {
  readonly clusterName: string;
  readonly libvirtHosts: Readonly<Record<string, LibvirtHostFields>>;
  readonly flatcar?: FlatcarFields | undefined;
  readonly mac?: MacFields | undefined;
}

const nodes = ["servers", "agents"] as const;

export const homeRules: readonly Rule<HomeRuleFields>[] = [
  { needs: nodes, check: distinctMachines },
  { needs: [...nodes, "libvirtHosts"], check: knownHosts },
  { needs: [...nodes, "libvirtHosts"], check: vmNetworks },
  { needs: [...nodes, "libvirtHosts"], check: hostMemory },
  { needs: [...nodes], check: oneDataDisk },
  { needs: [...nodes, "libvirtHosts"], check: distinctDevices },
  { needs: [...nodes, "flatcar"], check: vmsHaveAnImage },
  { needs: ["mac"], check: macByAddress },
  { needs: [...nodes, "mac"], check: limaHasAMac },
  { needs: [...nodes, "mac"], check: macMemory },
  { needs: ["clusterName", ...nodes], check: limaNames },
  { needs: nodes, check: limaPorts },
];

/** Where something stands that is not a cloud's, in the order of the configuration. */
export function sitesOf(
  fields: Pick<HomeRuleFields, "servers" | "agents" | "libvirtHosts" | "mac">,
): { readonly field: string; readonly site: string }[] {
  return [
    ...Object.entries(fields.libvirtHosts).map(([name, { site }]) => ({
      field: fieldPath(["libvirtHosts", name, "site"]),
      site,
    })),
    ...(fields.mac === undefined ? [] : [{ field: "mac.site", site: fields.mac.site }]),
    ...nodesOf(fields, isExisting).map((placed) => ({
      field: nodeField(placed, "existing", "site"),
      site: placed.node.existing.site,
    })),
    ...nodesOf(fields, isCoreos).map((placed) => ({
      field: nodeField(placed, "coreos", "site"),
      site: placed.node.coreos.site,
    })),
  ];
}

const vms = (fields: NodeLists) => nodesOf(fields, isVm);
const limas = (fields: NodeLists) => nodesOf(fields, isLima);

/** One machine is one node: by what the configuration says of where it answers. */
function distinctMachines(fields: NodeLists): Problem[] {
  const places = allNodes(fields).flatMap((placed) => {
    const way = wayTo(placed);
    return way === undefined ? [] : [{ placed, ...way }];
  });
  return places.flatMap(({ placed, field, address, port }, index) => {
    const first = places
      .slice(0, index)
      .find((it) => it.port === port && it.address.toLowerCase() === address.toLowerCase());
    const way = isVm(placed.node) ? "" : ", or have another port";
    return first === undefined
      ? []
      : [
          {
            field,
            rule: `be another machine's than that of \`${fieldPath(first.placed.path)}\`${way}`,
            got: address,
          },
        ];
  });
}

function wayTo(
  placed: PlacedNode,
): { readonly field: string; readonly address: string; readonly port: number } | undefined {
  const { node } = placed;
  if (isExisting(node)) {
    const { address, port } = node.existing;
    return { field: nodeField(placed, "existing", "address"), address, port };
  }
  if (isCoreos(node)) {
    const { address, port } = node.coreos;
    return { field: nodeField(placed, "coreos", "address"), address, port };
  }
  if (isVm(node)) return { field: nodeField(placed, "vm", "address"), address: node.vm.address, port: 22 };
  return undefined;
}

function knownHosts(fields: HomeRuleFields): Problem[] {
  const known = Object.keys(fields.libvirtHosts);
  const rule =
    known.length === 0
      ? "be one of `libvirtHosts`, which names none"
      : `be one of \`libvirtHosts\` (${known.join(", ")})`;
  return vms(fields)
    .filter(({ node }) => !known.includes(node.vm.host))
    .map((placed) => ({
      field: nodeField(placed, "vm", "host"),
      rule,
      got: placed.node.vm.host,
      candidates: known,
    }));
}

function vmNetworks(fields: HomeRuleFields): Problem[] {
  return vms(fields).flatMap((placed) => {
    const { host, network } = placed.node.vm;
    const of = fields.libvirtHosts[host];
    return of === undefined || network !== undefined || of.network !== undefined
      ? []
      : [
          {
            field: nodeField(placed, "vm", "network"),
            rule: `be given, here or as \`${fieldPath(["libvirtHosts", host, "network"])}\``,
          },
        ];
  });
}

/** Of hosts whose memory is known; the others are asked when a machine is made. */
function hostMemory(fields: HomeRuleFields): Problem[] {
  return Object.entries(fields.libvirtHosts).flatMap(([host, { memoryMiB }]) => {
    const own = vms(fields).filter(({ node }) => node.vm.host === host);
    const sum = own.reduce((total, { node }) => total + node.vm.memoryMiB, 0);
    return memoryMiB === undefined || sum <= memoryMiB
      ? []
      : [
          {
            field: fieldPath(["libvirtHosts", host, "memoryMiB"]),
            rule: `be at least the ${sum} MiB of ${own.map(({ name }) => name).join(", ")}`,
            got: memoryMiB,
          },
        ];
  });
}

function oneDataDisk(fields: NodeLists): Problem[] {
  const rule = "be left out beside `dataDiskGiB`: the node's data is on one disk";
  return vms(fields).flatMap((placed) => {
    const { dataDiskGiB, dataDevice } = placed.node.vm;
    return dataDiskGiB === undefined || dataDevice === undefined
      ? []
      : [{ field: nodeField(placed, "vm", "dataDevice"), rule, got: dataDevice }];
  });
}

/** Two machines on one device would destroy each other's data. */
function distinctDevices(fields: HomeRuleFields): Problem[] {
  const all = vms(fields).filter(({ node }) => node.vm.dataDevice !== undefined);
  return all.flatMap((placed, index) => {
    const { host, dataDevice } = placed.node.vm;
    const first = all
      .slice(0, index)
      .find(({ node }) => node.vm.host === host && node.vm.dataDevice === dataDevice);
    return first === undefined
      ? []
      : [
          {
            field: nodeField(placed, "vm", "dataDevice"),
            rule: `be another device than that of \`${fieldPath(first.path)}\``,
            got: dataDevice,
          },
        ];
  });
}

function vmsHaveAnImage(fields: HomeRuleFields): Problem[] {
  const [first] = vms(fields);
  return first === undefined || fields.flatcar !== undefined
    ? []
    : [{ field: "flatcar", rule: `name the image of \`${nodeField(first, "vm")}\`: version and sha256` }];
}

function macByAddress({ mac }: HomeRuleFields): Problem[] {
  if (mac === undefined) return [];
  const { address, port, user, hostKey } = mac;
  if (address !== undefined) {
    return user === undefined
      ? [{ field: "mac.user", rule: "name who logs in there, where `mac.address` is given" }]
      : [];
  }
  const rule = "be left out without `mac.address`: Lima is run on this machine then, as this user";
  return Object.entries({ port, user, hostKey }).flatMap(([key, got]) =>
    got === undefined ? [] : [{ field: `mac.${key}`, rule, got }],
  );
}

function limaHasAMac(fields: HomeRuleFields): Problem[] {
  const [first] = limas(fields);
  return first === undefined || fields.mac !== undefined
    ? []
    : [{ field: "mac", rule: `say where \`${nodeField(first, "lima")}\` runs: site, and address and user` }];
}

/** Of a Mac whose memory is known; another one is asked when machines are made. */
function macMemory(fields: HomeRuleFields): Problem[] {
  const { mac } = fields;
  if (mac?.memoryMiB === undefined) return [];
  const own = limas(fields);
  const sum = own.reduce((total, { node }) => total + (node.lima.memoryMiB ?? mac.blueprint.memoryMiB), 0);
  return sum <= mac.memoryMiB
    ? []
    : [
        {
          field: "mac.memoryMiB",
          rule: `be at least the ${sum} MiB of ${own.map(({ name }) => name).join(", ")}`,
          got: mac.memoryMiB,
        },
      ];
}

function limaNames(fields: HomeRuleFields): Problem[] {
  const rule = `give its disk a name that Lima takes: at most ${limaName.longest} letters and digits with single hyphens between`;
  return limas(fields).flatMap((placed) => {
    const { disk } = cloudNames(fields.clusterName, placed.name);
    return limaNameProblems("name", disk).length === 0
      ? []
      : [{ field: nodeField(placed, "name"), rule: `${rule}, not ${disk}`, got: placed.name }];
  });
}

/** Each is reached by a port of its own on the Mac's 127.0.0.1. */
function limaPorts(fields: NodeLists): Problem[] {
  const all = limas(fields).map((placed) => ({
    placed,
    field: nodeField(placed, "lima", "sshPort"),
    port: placed.node.lima.sshPort ?? limaSshPort(placed.name),
  }));
  return all.flatMap(({ placed, field, port }, index): Problem[] => {
    if (port === undefined) {
      return [{ field, rule: `be given, as ${JSON.stringify(placed.name)} ends in no number below 1000` }];
    }
    const first = all.slice(0, index).find((it) => it.port === port && it.placed.name !== placed.name);
    return first === undefined
      ? []
      : [{ field, rule: `be another port than that of \`${fieldPath(first.placed.path)}\``, got: port }];
  });
}
