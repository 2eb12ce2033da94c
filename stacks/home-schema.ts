/** Nodes at home and what they stand on, field by field, the same in every stack of machines; every message completes "`field` must". */
import { z } from "zod";
import { leastLimaSizes, usualLimaBlueprint } from "../components/render/lima-blueprint.ts";
import { limaDrivers, limaImages, limaName, type LimaImageName } from "../components/upstream/lima.ts";
import { coreosKeys, coreosNode, coreosNodeKeys } from "./coreos-schema.ts";
import { existing, existingKeys, existingNode, existingNodeKeys } from "./existing-schema.ts";
import { alternatives } from "./grammar.ts";
import { device, machineNode, name, site, text, wholeNumber } from "./schema-pieces.ts";

const ipv4 = /^((25[0-5]|2[0-4]\d|1?\d?\d)(\.(?!$)|$)){4}$/;
const addressRule = "be an IPv4 address such as 192.168.1.50";

const networkKinds = ["network", "bridge", "macvtap"] as const;
const vmNetwork = {
  /** A network of libvirt's, a bridge of the host's, or beside an interface of the host's. */
  kind: z.enum(networkKinds, { error: `be ${alternatives(networkKinds)}` }),
  /** Of that network, bridge or interface. */
  name: text("be the name of a network, a bridge or an interface such as br0").regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
    { error: "be the name of a network, a bridge or an interface such as br0" },
  ),
};
const network = z.strictObject(vmNetwork, {
  error: "be a mapping with kind (network, bridge or macvtap) and name",
});

const uriRule = "be libvirt's URI for QEMU such as qemu+ssh://homespan@nas.local/system";
const libvirtHost = {
  /** How libvirt is reached from where Pulumi runs. https://libvirt.org/uri.html */
  uri: text(uriRule).regex(/^qemu(\+(ssh|libssh|libssh2|tls|tcp|unix))?:\/\/[^\s]*$/, { error: uriRule }),
  /** The place it stands in; machines of one site share a network. */
  site: site("it"),
  /** The storage pool that takes the disks. */
  pool: text("be the name of a storage pool")
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/, {
      error: "be the name of a storage pool: letters, digits, '_', '.', '+' and '-'",
    })
    .default("default"),
  /** `kvm`: its processor runs the machines; `qemu`: QEMU imitates one, many times slower. */
  type: z.enum(["kvm", "qemu"], { error: "be kvm or qemu" }).default("kvm"),
  /** Of machines that name none. */
  network: network.optional(),
  /** What it can give to virtual machines. @default not known: each machine's is compared with the host's when it is made */
  memoryMiB: wholeNumber(1024, 2 ** 24, "be a whole number of MiB from 1024").optional(),
};
/** Machines with libvirt, by name. */
export const libvirtHosts = z
  .record(name(), z.strictObject(libvirtHost, { error: "be a mapping with uri and site" }), {
    error: "be a mapping of names to hosts, each with uri and site",
  })
  .default({});

const versionRule = "be a release of Flatcar such as 4230.2.3, not a moving name";
const sumRule = "be the SHA-256 of flatcar_production_qemu_image.img: 64 lower-case hexadecimal digits";
const channels = ["stable", "beta", "alpha", "lts"] as const;
const flatcarFields = {
  channel: z.enum(channels, { error: `be ${alternatives(channels)}` }).default("stable"),
  version: text(versionRule).regex(/^\d+\.\d+\.\d+$/, { error: versionRule }),
  /** Of the image; its signature is checked, too. */
  sha256: text(sumRule).regex(/^[0-9a-f]{64}$/, { error: sumRule }),
  /** Directories with the image, its signature and its key, asked before Flatcar's own. */
  mirrors: z
    .array(
      text("be an http:// or https:// URL without spaces").regex(/^https?:\/\/[^\s\p{Cc}]+$/u, {
        error: "be an http:// or https:// URL without spaces",
      }),
      { error: "be a list of URLs" },
    )
    .default([]),
};
/** The image of all virtual machines on libvirt. */
export const flatcar = z
  .strictObject(flatcarFields, { error: "be a mapping with version and sha256" })
  .optional();

const vm = {
  /** One of `libvirtHosts`. */
  host: text("be the name of one of `libvirtHosts`"),
  vcpus: wholeNumber(1, 512, "be a whole number of processors from 1 to 512"),
  memoryMiB: wholeNumber(1024, 2 ** 24, "be a whole number of MiB from 1024"),
  /** Of the system; made anew with another image or configuration. */
  systemDiskGiB: wholeNumber(
    10,
    65536,
    "be a whole number of GiB from 10: Flatcar itself takes about 9",
  ).default(20),
  /** A disk of the pool's for the node's data, which outlives the machine. @default none: the data goes with the machine */
  dataDiskGiB: wholeNumber(8, 65536, "be a whole number of GiB from 8").optional(),
  /** In its place: a device of the host's, given as it is. */
  dataDevice: device().optional(),
  /** @default the host's */
  network: network.optional(),
  /** Where it answers, from where Pulumi runs. */
  address: text(addressRule).regex(ipv4, { error: addressRule }),
  /** False on hosts that cannot limit what QEMU takes beside. */
  memoryHardLimit: z.boolean({ error: "be true or false" }).default(true),
  /** `system`: Flatcar updates itself and restarts when it likes. */
  osUpdates: z.enum(["off", "system"], { error: "be off or system" }).default("off"),
};
export const vmNode = machineNode({
  vm: z.strictObject(vm, { error: "be a mapping with host, vcpus, memoryMiB and address" }),
});

const imageNames = Object.keys(limaImages) as LimaImageName[];
const image = z.enum(imageNames, { error: `be ${alternatives(imageNames)}` });
const size = (key: keyof typeof leastLimaSizes, unit: string): z.ZodNumber =>
  wholeNumber(
    leastLimaSizes[key],
    2 ** 24,
    `be a whole number of ${unit} from ${String(leastLimaSizes[key])}`,
  );
const sizes = {
  cpus: size("cpus", "processors"),
  memoryMiB: size("memoryMiB", "MiB"),
  diskGiB: size("diskGiB", "GiB"),
  dataDiskGiB: size("dataDiskGiB", "GiB"),
};
const lima = {
  image: image.optional(),
  cpus: sizes.cpus.optional(),
  memoryMiB: sizes.memoryMiB.optional(),
  diskGiB: sizes.diskGiB.optional(),
  dataDiskGiB: sizes.dataDiskGiB.optional(),
  /** Where SSH answers on the Mac's 127.0.0.1. @default 60100 and the number its name ends with */
  sshPort: wholeNumber(1024, 65535, "be a port from 1024 to 65535").optional(),
};
const limaNode = machineNode({
  lima: z.strictObject(lima, { error: "be a mapping with what differs from `mac.blueprint`, or {}" }),
});

const blueprint = {
  image: image.default(usualLimaBlueprint.image),
  cpus: sizes.cpus.default(usualLimaBlueprint.cpus),
  memoryMiB: sizes.memoryMiB.default(usualLimaBlueprint.memoryMiB),
  /** The system's own disk; sparse. */
  diskGiB: sizes.diskGiB.default(usualLimaBlueprint.diskGiB),
  /** The disk of the node's data, which outlives the machine; sparse. */
  dataDiskGiB: sizes.dataDiskGiB.default(usualLimaBlueprint.dataDiskGiB),
};
const userNetwork = { kind: z.literal("user-v2") };
const vmnet = {
  kind: z.literal("vmnet"),
  /** `shared`, `bridged`, or one of networks.yaml. */
  name: text("be the name of a network of socket_vmnet's such as shared").regex(limaName.pattern, {
    error: "be the name of a network of socket_vmnet's such as shared",
  }),
};
const macFields = {
  /** Where SSH answers. @default the machine that runs Pulumi */
  address: existing.address.optional(),
  port: existing.port.unwrap().optional(),
  /** Whose virtual machines they are; not root. */
  user: text("be text")
    .regex(/^(?!root$)[A-Za-z_][A-Za-z0-9_.-]{0,63}$/, {
      error: "be the name of a user there such as admin, not root: Lima does not run as root",
    })
    .optional(),
  hostKey: existing.hostKey,
  site: site("it"),
  network: z
    .discriminatedUnion("kind", [z.strictObject(userNetwork), z.strictObject(vmnet)], {
      error: "be a mapping with kind, user-v2 or vmnet",
    })
    .prefault({ kind: "user-v2" }),
  /** When machines start by themselves. */
  startAt: z.enum(["boot", "login", "off"], { error: "be boot, login or off" }).default("boot"),
  /** @default vz on macOS from 13.5 on, else qemu */
  driver: z.enum(limaDrivers, { error: `be ${alternatives(limaDrivers)}` }).optional(),
  /** What it can give to virtual machines. @default not known: compared with the Mac's when they are made */
  memoryMiB: wholeNumber(1024, 2 ** 24, "be a whole number of MiB from 1024").optional(),
  /** What every machine is made from. */
  blueprint: z.strictObject(blueprint, { error: "be a mapping with image, cpus or memoryMiB" }).prefault({}),
};
/** The one machine that runs Lima. */
export const mac = z.strictObject(macFields, { error: "be a mapping with site" }).optional();

/** The keys of a stack that may have nodes at home. */
export const homeFields = { libvirtHosts, flatcar, mac } as const;

export type VmNodeFields = z.output<z.ZodObject<typeof vmNode>>;
export type LimaNodeFields = z.output<z.ZodObject<typeof limaNode>>;
export type LibvirtHostFields = z.output<z.ZodObject<typeof libvirtHost>>;
export type VmNetworkFields = z.output<typeof network>;
export type MacFields = z.output<z.ZodObject<typeof macFields>>;
export type FlatcarFields = z.output<z.ZodObject<typeof flatcarFields>>;

/** Keys of the strict objects below `libvirtHosts`, `mac` and `flatcar`. */
export function homeKeys(path: readonly PropertyKey[], value: unknown): readonly string[] {
  const [key, ...inside] = path;
  if (key === "flatcar") return Object.keys(flatcarFields);
  if (key === "libvirtHosts") return Object.keys(inside.length > 1 ? vmNetwork : libvirtHost);
  if (inside[0] === "blueprint") return Object.keys(blueprint);
  if (inside[0] === "network") return Object.keys(isOfKind(value, "vmnet") ? vmnet : userNetwork);
  return Object.keys(macFields);
}

/** Keys of the strict objects of one node at home; `path` from the node on. */
export function homeNodeKeys(path: readonly PropertyKey[], node: unknown): readonly string[] {
  const [kind, ...inside] = path;
  switch (kind) {
    case "existing":
      return existingKeys;
    case "coreos":
      return coreosKeys;
    case "vm":
      return Object.keys(inside.length > 0 ? vmNetwork : vm);
    case "lima":
      return Object.keys(lima);
    default:
      return kindOf(node)?.keys ?? [];
  }
}

interface NodeKind {
  readonly key: string;
  readonly schema: z.ZodType;
  readonly keys: readonly string[];
}
const kinds: readonly NodeKind[] = [
  { key: "vm", schema: z.strictObject(vmNode), keys: Object.keys(vmNode) },
  { key: "coreos", schema: z.strictObject(coreosNode), keys: coreosNodeKeys },
  { key: "lima", schema: z.strictObject(limaNode), keys: Object.keys(limaNode) },
  { key: "existing", schema: z.strictObject(existingNode), keys: existingNodeKeys },
];

/** The kind of home node that a mapping is meant to be; undefined for another. */
export function kindOf(node: unknown): NodeKind | undefined {
  return typeof node === "object" && node !== null ? kinds.find(({ key }) => key in node) : undefined;
}

function isOfKind(value: unknown, kind: string): boolean {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === kind;
}

/**
 * A node that is one of several kinds, whose mistakes are told as those of the one it is meant to be.
 *
 * @param other what it is without a key of a home node
 */
export function nodeOfKind<Node>(other: z.ZodType): z.ZodType<Node> {
  return nodeOf((given) => kindOf(given)?.schema ?? other);
}

/** @param schemaOf what the mapping is judged by */
export function nodeOf<Node>(schemaOf: (given: unknown) => z.ZodType): z.ZodType<Node> {
  return z.unknown().transform((given, context): Node => {
    const result = schemaOf(given).safeParse(given);
    if (result.success) return result.data as Node;
    // Whole ones: each has its message already.
    context.issues.push(...(result.error.issues as z.core.$ZodRawIssue[]));
    return z.NEVER;
  });
}
