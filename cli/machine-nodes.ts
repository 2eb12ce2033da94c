/** Nodes on machines that SSH reaches, from the stack's state: also those of an `up` that did not end. */
import { hopSchema, type Outputs } from "./cluster.ts";
import type { Context } from "./context.ts";
import type { Resource } from "./deployment.ts";
import { readResources } from "./deployment.ts";
import { pulumi } from "./pulumi.ts";

/** Where a machine is reached; without the host key it is one that nobody has talked to yet. */
export type MachineTransport = Omit<
  Extract<Outputs["nodes"][number]["transport"], { readonly kind: "ssh" }>,
  "hostKey"
> & { readonly hostKey?: string };

export interface MachineNode {
  readonly name: string;
  /** False for an instance of a cloud. */
  readonly atHome: boolean;
  /** Undefined for an instance of a cloud that is not there, and for a machine at home that nobody has reached. */
  readonly instance: { readonly createdAt?: string } | undefined;
  /** Undefined until its address leads to it and its ports are open. */
  readonly transport: MachineTransport | undefined;
}

export interface MachineNodes {
  readonly nodes: readonly MachineNode[];
  /** Opens all of them. PEM; "" where it was not made yet. */
  readonly privateKey: string;
}

/** Hosts of stacks of machines, whatever these stand on: one for each machine that is ordered. */
export const hostTypes: readonly string[] = [
  "homespan:lightsail:LightsailServer",
  "homespan:libvirt:FlatcarVm",
  "homespan:lima:LimaAgent",
  "homespan:existing:ExistingHost",
  "homespan:coreos:CoreosHost",
];

const types = {
  server: "homespan:lightsail:LightsailServer",
  instance: "aws:lightsail/instance:Instance",
  address: "aws:lightsail/staticIp:StaticIp",
  attachment: "aws:lightsail/staticIpAttachment:StaticIpAttachment",
  ports: "aws:lightsail/instancePublicPorts:InstancePublicPorts",
  boot: "homespan:index:MachineBoot",
  key: "homespan:index:SshKey",
} as const;

/** A resource as `pulumi stack export` tells it. */
type Exported = Resource & { readonly parent?: string; readonly delete?: boolean };

/** Names of machines that were ordered, from the state alone. */
export async function orderedMachines(context: Context, stack: string): Promise<readonly string[]> {
  const hosts = (await readResources(context.paths, stack)).filter(({ type }) => hostTypes.includes(type));
  return hosts.map(({ urn }) => nameOf(urn));
}

/** Names of those among them that are instances of a cloud. */
export async function cloudMachines(context: Context, stack: string): Promise<ReadonlySet<string>> {
  const servers = (await readResources(context.paths, stack)).filter(({ type }) => type === types.server);
  return new Set(servers.map(({ urn }) => nameOf(urn)));
}

/** `undefined` for a stack without such nodes: nothing is started to find that out. */
export async function machineNodes(context: Context, stack: string): Promise<MachineNodes | undefined> {
  const known = await readResources(context.paths, stack);
  if (!known.some(({ type }) => hostTypes.includes(type) || type === types.boot)) return undefined;
  const args = ["stack", "export", "--show-secrets", "--stack", stack];
  const exported = JSON.parse(await pulumi(context, args, { cwd: context.paths.config })) as {
    readonly deployment?: { readonly resources?: readonly Exported[] };
  };
  return machineNodesIn(exported.deployment?.resources ?? []);
}

/** Pure part of {@link machineNodes}. */
export function machineNodesIn(all: readonly Exported[]): MachineNodes {
  // What is only left to be deleted is another machine than the one of now.
  const resources = all.filter((resource) => resource.delete !== true);
  const boots = resources.filter(({ type }) => type === types.boot);
  const servers = resources.filter(({ type }) => type === types.server);
  const names = [
    ...resources.filter(({ type }) => hostTypes.includes(type)).map(({ urn }) => nameOf(urn)),
    ...boots.map(({ inputs }) => text(inputs?.["nodeName"])),
  ];
  // The state has them in the order in which the program happened to get to them.
  const sorted = [...new Set(names)].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const nodes = sorted.map((name): MachineNode => {
    const server = servers.find(({ urn }) => nameOf(urn) === name);
    const parts = resources.filter(({ parent }) => server !== undefined && parent === server.urn);
    const boot = boots.find(({ inputs }) => inputs?.["nodeName"] === name);
    const instance = parts.find(({ type }) => type === types.instance);
    const createdAt = text(instance?.outputs?.["createdAt"]);
    const there = server === undefined ? boot !== undefined : instance !== undefined;
    return {
      name,
      atHome: server === undefined,
      instance: there ? (createdAt === "" ? {} : { createdAt }) : undefined,
      transport: boot === undefined ? reached(parts, instance) : contacted(boot),
    };
  });
  const key = resources.find(({ type }) => type === types.key);
  const own = boots.map(({ inputs }) => text(inputs?.["privateKey"])).find((it) => it !== "");
  return { nodes, privateKey: text(key?.outputs?.["privateKey"]) || (own ?? "") };
}

/** A machine whose first contact is over. */
function contacted({ inputs, outputs }: Exported): MachineTransport {
  const hostKey = text(outputs?.["hostKey"]);
  return {
    kind: "ssh",
    address: text(inputs?.["address"]),
    port: Number(inputs?.["port"] ?? 22),
    user: text(inputs?.["user"]),
    ...(hostKey === "" ? {} : { hostKey }),
    ...(text(inputs?.["library"]) === "" ? {} : { library: text(inputs?.["library"]) }),
    ...hopOf(inputs?.["via"]),
  };
}

/** It holds a key, so it is secret as a whole. */
function hopOf(via: unknown): Pick<MachineTransport, "via"> {
  const hop = hopSchema.safeParse(plain(via));
  return hop.success ? { via: hop.data } : {};
}

function reached(parts: readonly Exported[], instance: Exported | undefined): MachineTransport | undefined {
  const part = (type: string): Exported | undefined => parts.find((it) => it.type === type);
  const address = text(part(types.address)?.outputs?.["ipAddress"]);
  const open = part(types.attachment) !== undefined && part(types.ports) !== undefined;
  if (instance === undefined || !open || address === "") return undefined;
  return { kind: "ssh", address, port: 22, user: text(instance.outputs?.["username"]) };
}

function nameOf(urn: string): string {
  return urn.split("::").at(-1) ?? "";
}

/** A text of the state. */
function text(value: unknown): string {
  const found = plain(value);
  return typeof found === "string" ? found : "";
}

/** A secret value is there as JSON beside its cipher. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("plaintext" in value)) return value;
  return JSON.parse(String(value.plaintext)) as unknown;
}
