/** Inputs and outputs of the resources for virtual machines that Lima runs, on a Mac or on Linux. */
import { z } from "zod";
import { nameSchema, sshHopSchema } from "./common.ts";

/** Where Lima runs: on this machine, or on one that SSH reaches, as the user who logs in there. Secret, as it holds a key. */
export const macSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("local") }),
  sshHopSchema.extend({ kind: z.literal("ssh") }),
]);
export type Mac = z.output<typeof macSchema>;

const driverSchema = z.enum(["vz", "qemu"]);

export const limaNetworkSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("user-v2") }),
  z.strictObject({ kind: z.literal("vmnet"), name: z.string().min(1) }),
]);

/**
 * When virtual machines start by themselves. `boot`: with the Mac, by launchd, nobody has to log in. `login`: when the user
 * logs in; on Linux with the user's systemd, which may linger. `off`: by `up` or by hand alone.
 */
const startAtSchema = z.enum(["boot", "login", "off"]);

const whole = z.number().int().positive();
/** In the words of Lima, which takes it for a part of paths. */
const limaNameSchema = z
  .string()
  .max(76, "must be at most 76 characters")
  .regex(
    /^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$/,
    "must be letters and digits with single hyphens, dots or underscores between",
  );
const portSchema = z.number().int().min(1024).max(65_535);

/** A virtual machine as far as it takes room. */
const limaPlanSchema = z.strictObject({
  name: limaNameSchema,
  cpus: whole,
  memoryMiB: whole,
  /** Of the system's disk and of the data disk together. */
  diskGiB: whole,
  sshPort: portSchema,
});
export type LimaPlan = z.output<typeof limaPlanSchema>;

/**
 * A Mac that runs virtual machines of one cluster: looked at before any of them is made, all that is wrong told at once, and
 * the cluster's key let in at the first contact.
 */
export const limaMacInputs = z.strictObject({
  clusterName: nameSchema,
  place: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("local") }),
    z.strictObject({
      kind: z.literal("ssh"),
      /** IP address or host name where SSH answers, from where Pulumi runs. */
      address: z.string().min(1),
      port: z.number().int().min(1).max(65_535).default(22),
      user: z.string().min(1),
      /** `ssh-ed25519 AAAA...`: the key the Mac must show. Without it, the one of the first contact. */
      hostKey: z.string().optional(),
    }),
  ]),
  /** The cluster's key: `ssh-rsa AAAA... homespan-<cluster>`. */
  publicKey: z.string().min(1),
  /** Secret. PEM. Its private half. */
  privateKey: z.string(),
  /** @default what the system and its version call for */
  driver: driverSchema.optional(),
  network: limaNetworkSchema,
  startAt: startAtSchema,
  /** All virtual machines this stack has there. */
  machines: z.array(limaPlanSchema),
  /** How long the Mac may take to answer. */
  waitSeconds: whole.default(60),
});
export const limaMacOutputs = limaMacInputs.extend({
  /** Secret. How the Mac is reached from now on. */
  connection: macSchema,
  /** The driver of new virtual machines; it stays when macOS becomes a newer one. */
  vmType: driverSchema,
  /** False when `read` could not reach the Mac. */
  reachable: z.boolean(),
});

/** The disk of a node's data. It outlives the virtual machine. */
export const limaDiskInputs = z.strictObject({
  /** Secret. */
  mac: macSchema,
  clusterName: nameSchema,
  nodeName: nameSchema,
  name: limaNameSchema,
  sizeGiB: whole,
});
export const limaDiskOutputs = limaDiskInputs.extend({
  /** Another one for another disk of this name. */
  identity: z.string(),
});

const limaProvisionSchema = z.discriminatedUnion("mode", [
  z.strictObject({
    mode: z.literal("data"),
    path: z.string(),
    permissions: z.enum(["644", "755"]),
    content: z.string(),
  }),
  z.strictObject({ mode: z.literal("system"), script: z.string() }),
]);

/** A virtual machine. What cannot be changed in place makes it anew, drained before, with the node's data kept. */
export const limaVmInputs = z.strictObject({
  /** Secret. */
  mac: macSchema,
  clusterName: nameSchema,
  nodeName: nameSchema,
  name: limaNameSchema,
  vmType: driverSchema,
  images: z
    .array(z.strictObject({ arch: z.enum(["x86_64", "aarch64"]), location: z.string(), sha256: z.string() }))
    .min(1),
  /** A change restarts the virtual machine, drained, one of a Mac at a time. */
  cpus: whole,
  /** As `cpus`. */
  memoryMiB: whole,
  /** As `cpus`; it only grows. */
  diskGiB: whole,
  dataDisk: limaNameSchema,
  /** Id of that disk: with another one it is another node's machine. */
  identity: z.string().min(1),
  network: limaNetworkSchema,
  sshPort: portSchema,
  provision: z.array(limaProvisionSchema),
  startAt: startAtSchema,
  /** How long pods may take to leave before it is restarted. */
  drainSeconds: whole.default(120),
  /** How long it may take to start, with a first start's packages. */
  startSeconds: whole.default(600),
});
export const limaVmOutputs = limaVmInputs.extend({
  /** Another one each time it is made. */
  machineId: z.string(),
  /** False when `read` found it stopped. */
  running: z.boolean(),
  /** False when `read` could not reach the Mac. */
  reachable: z.boolean(),
  /** True while no start of it has ended and nothing in it has answered: it is no node that anybody would have to ask. */
  neverStarted: z.boolean().optional(),
  /** As found. */
  foundCpus: z.number(),
  foundMemoryMiB: z.number(),
  foundStartAt: startAtSchema,
});
