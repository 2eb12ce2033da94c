/** Inputs and outputs of the resources for virtual machines on libvirt. */
import { z } from "zod";

/** Where libvirt listens: `qemu:///system`, `qemu+ssh://user@host/system`. https://libvirt.org/uri.html */
export const libvirtUriSchema = z
  .string()
  .regex(
    /^qemu(\+(ssh|libssh|libssh2|tls|tcp|unix))?:\/\/[^\s]*$/,
    "must be a URI of libvirt for QEMU, such as qemu:///system",
  );
const objectName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/, "must be letters, digits, `_`, `.`, `+` and `-`");
const webUrl = z.string().regex(/^https?:\/\/\S+$/, "must begin with https:// or http://");

/** An image for virtual machines, on this machine: downloaded, its sum and its signature checked. */
export const vmImageInputs = z.strictObject({
  /** Where it is; further places are tried in turn. */
  urls: z.array(webUrl).min(1),
  /** Of the image. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hexadecimal digits"),
  /** Where its detached OpenPGP signature is. */
  signatureUrls: z.array(webUrl).min(1),
  /** The public key, ASCII armoured, or where it is. Neither decides anything: the fingerprint does. */
  signingKeyUrls: z.array(webUrl).min(1),
  /** Of the primary key the signature must be from. */
  fingerprint: z.string().regex(/^[0-9A-F]{40}$/, "must be 40 upper-case hexadecimal digits"),
});
export const vmImageOutputs = vmImageInputs.extend({
  /** The file. */
  path: z.string(),
  bytes: z.number(),
  /** False when `read` did not find the file any more. */
  present: z.boolean(),
});

/** How a virtual machine is connected: a network of libvirt's, a bridge of the host's, or beside an interface of the host's. */
export const vmNetworkSchema = z.strictObject({
  kind: z.enum(["network", "bridge", "macvtap"]),
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "must be the name of a network or an interface"),
});

/**
 * The place a virtual machine takes on its host: its names are free, and the host has what it needs. Whatever makes it up
 * comes after, since the Terraform provider takes a volume of the same name for its own.
 */
export const vmPlaceInputs = z.strictObject({
  uri: libvirtUriSchema,
  /** Of the virtual machine. */
  name: objectName,
  /** Its id: what is left of it on the host is known by it. */
  uuid: z.uuid(),
  type: z.enum(["kvm", "qemu"]),
  memoryMiB: z.number().int().positive(),
  vcpus: z.number().int().positive(),
  network: vmNetworkSchema,
  /** Of its network interface: what a network of libvirt's has reserved for it is given back with the place. */
  mac: z
    .string()
    .regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, "must be an Ethernet address such as 52:54:00:0a:1b:2c")
    .optional(),
  /** IPv4 address it will have. */
  address: z.ipv4().optional(),
  pool: objectName,
  /** Names of its volumes in the pool. */
  volumes: z.array(objectName),
});
export const vmPlaceOutputs = vmPlaceInputs.extend({
  /** Volumes that were its own before and were there at the last update, which takes them away when all of it is done. */
  formerVolumes: z.array(objectName).optional(),
});

/** The configuration a machine finds at its first start, kept as it was then until something else makes another machine of it. */
export const firstConfigurationInputs = z.strictObject({
  /** The whole of it. Another one alone changes nothing. */
  config: z.string(),
  /** With another value `config` is taken anew. */
  keepers: z.string(),
});
/** `config` is the one that was kept. */
export const firstConfigurationOutputs = firstConfigurationInputs;

/** Which volume a name means: one that was made anew under the name of another is not the same one. */
export const volumeIdentityInputs = z.strictObject({
  uri: libvirtUriSchema,
  pool: objectName,
  volume: objectName,
});
export const volumeIdentityOutputs = volumeIdentityInputs.extend({
  /** Another one for another volume. */
  identity: z.string(),
});
