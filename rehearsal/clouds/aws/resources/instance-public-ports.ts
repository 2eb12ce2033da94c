/** `aws.lightsail.InstancePublicPorts`. internal/service/lightsail/instance_public_ports.go of terraform-provider-aws */
import { crc32 } from "node:zlib";
import { isIP } from "node:net";
import { z } from "zod";
import { lightsailPorts } from "../../../../components/upstream/lightsail.ts";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { isRecord } from "../../../../provider/server/values.ts";
import { cloudResource, sameSet } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import { liveInstance } from "../service/instances.ts";
import { type PortOrder, closePort, putPorts } from "../service/ports.ts";
import { regionInput, regionOf } from "./common.ts";

/** True for the address of a network with its length, in the one way to write it. */
function isNetwork(text: string): boolean {
  const [address = "", length = "", ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(length)) return false;
  const bits = family === 4 ? 32 : 128;
  const prefix = Number(length);
  if (prefix > bits || String(prefix) !== length) return false;
  const groups = family === 4 ? address.split(".").map(Number) : ipv6Groups(address);
  const width = family === 4 ? 8 : 16;
  const value = groups.reduce((sum, group) => (sum << BigInt(width)) | BigInt(group), 0n);
  const canonical = family === 4 ? address : new URL(`http://[${address}]`).hostname.slice(1, -1);
  return canonical === address && value % (1n << BigInt(bits - prefix)) === 0n;
}

function ipv6Groups(address: string): number[] {
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const numbers = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [first, last] = [numbers(head), numbers(tail ?? "")];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last];
}

const network = z.string().refine(isNetwork, "must be the address of a network in CIDR notation");
const port = z.number().int().min(lightsailPorts.min).max(lightsailPorts.max);

const portInfo = z.strictObject({
  cidrListAliases: z.array(z.string()).optional(),
  cidrs: z.array(network).optional(),
  fromPort: port,
  ipv6Cidrs: z.array(network).optional(),
  protocol: z.enum(lightsailPorts.protocols),
  toPort: port,
});

const inputs = z.strictObject({
  instanceName: z.string(),
  portInfos: z.array(portInfo).min(1),
  ...regionInput,
});
type State = z.output<typeof inputs>;

/** Ports are a set of sets; what the program leaves out, the service fills in. */
function samePorts(state: unknown, news: unknown): boolean {
  if (!Array.isArray(state) || !Array.isArray(news) || state.length !== news.length) return false;
  const before = state.filter(isRecord);
  return news.every((wanted: unknown) => isRecord(wanted) && before.some((open) => samePort(open, wanted)));
}

function samePort(
  open: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, unknown>>,
): boolean {
  return Object.keys(wanted).every((name) => sameSet(open[name], wanted[name]));
}

/** Terraform's hash of strings. */
function idOf(instanceName: string, ports: readonly PortOrder[]): string {
  const lines = ports.map(({ protocol, fromPort, toPort }) => `${protocol}-${fromPort}-${toPort}\n`).sort();
  return `${instanceName}-${String(crc32(lines.join("")))}`;
}

export function instancePublicPorts(account: Account): Resource {
  const about = (operation: AwsOperation, doing: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${doing} public ports for instance ${name}`,
    lost: `operation error Lightsail: ${operation}, exceeded maximum number of attempts, 25, request send failed, net/http: timeout awaiting response headers`,
    signal,
  });
  const found = async (region: string, name: string, context: CallContext): Promise<State | undefined> =>
    call(account, about("GetInstancePortStates", "reading", name, context), async () => {
      const entry = await liveInstance(account, region, name);
      if (entry === undefined || entry.ports.length === 0) return undefined;
      return { instanceName: name, portInfos: entry.ports, region };
    });
  return cloudResource({
    type: "aws:lightsail/instancePublicPorts:InstancePublicPorts",
    inputs,
    outputs: inputs,
    replaceOn: ["instanceName", "portInfos", "region"],
    computed: ["region"],
    same: { portInfos: samePorts },
    async create(news, context) {
      const { instanceName: name, portInfos } = news;
      const region = regionOf(account, news);
      await call(account, about("PutInstancePublicPorts", "unable to create", name, context), () =>
        putPorts(account, region, name, portInfos, context.signal),
      );
      const outputs = await found(region, name, context);
      if (outputs === undefined) throw notFound("Instance", name);
      return { id: idOf(name, portInfos), outputs };
    },
    read: (state, _id, context) => found(regionOf(account, state), state.instanceName, context),
    async delete(state, _id, context) {
      const { instanceName: name } = state;
      for (const open of state.portInfos) {
        await call(account, about("CloseInstancePublicPorts", "unable to close", name, context), () =>
          closePort(account, regionOf(account, state), name, open, context.signal),
        );
      }
    },
  });
}
