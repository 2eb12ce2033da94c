/** Inputs and outputs of the resources for machines that are reached by SSH, and over a tailnet. */
import { z } from "zod";
import { librarySchema, nameSchema, sshHopSchema, tailnetRefSchema, transportSchema } from "./common.ts";

/** The key pair with which Pulumi reaches the machines of one cluster. */
export const sshKeyInputs = z.strictObject({ clusterName: nameSchema });
export const sshKeyOutputs = sshKeyInputs.extend({
  /** `ssh-rsa AAAA... homespan-<cluster>`: Lightsail imports no other kind. */
  publicKey: z.string(),
  /** Secret. PEM, PKCS #1. */
  privateKey: z.string(),
});

/**
 * A machine that somebody else set up and that SSH reaches: looked at before anything is put on it, then made one that can
 * be commanded as a cloud's instance is after its user-data. Deletion takes all of it off again (boot/machine/README.md).
 */
export const existingMachineInputs = z.strictObject({
  clusterName: nameSchema,
  nodeName: nameSchema,
  /** IP address or host name where SSH answers. */
  address: z.string().min(1),
  port: z.number().int().min(1).max(65535).default(22),
  user: z.string().min(1),
  /** `ssh-ed25519 AAAA...`: the key the machine must show. Without it, the one of the first contact. */
  hostKey: z.string().optional(),
  /** The cluster's key, let in at the first contact: `ssh-rsa AAAA... homespan-<cluster>`. */
  publicKey: z.string().min(1),
  /** Secret. PEM. Its private half. */
  privateKey: z.string(),
  /** What a cloud would run as user-data; run once as root, and again when it changes. */
  setup: z.string(),
  /** How long the machine may take to answer. */
  waitSeconds: z.number().int().positive().default(60),
});
export const existingMachineOutputs = existingMachineInputs.extend({
  /** The key the machine showed at the first contact. */
  knownHostKey: z.string(),
  /** Id of the machine's node data: that of the mark in /data. */
  identity: z.string(),
  /** Which machine bears that data, from /etc/machine-id. */
  machineId: z.string(),
  /** Ports sshd listens on: they are never closed. */
  sshPorts: z.array(z.number().int()),
  /** False when `read` could not reach the machine. */
  reachable: z.boolean(),
});

/**
 * A machine that somebody installs with a first configuration that is made here, and that SSH reaches then. It is waited for,
 * and its data marked as this node's; deletion takes the node and its data off it, and leaves the system.
 */
export const installedMachineInputs = z.strictObject({
  clusterName: nameSchema,
  nodeName: nameSchema,
  /** IP address or host name where SSH answers. */
  address: z.string().min(1),
  port: z.number().int().min(1).max(65535).default(22),
  user: z.string().min(1),
  /** `ssh-ed25519 AAAA...`: the key the machine must show. Without it, the one of the first contact. */
  hostKey: z.string().optional(),
  /** Secret. PEM. */
  privateKey: z.string(),
  /** Directory of its boot files. */
  library: librarySchema,
  /** Directory of the node's data. */
  data: librarySchema,
  /** Ignition's JSON, which holds no secret. Another one reaches the machine with its next installation. */
  firstConfiguration: z.string(),
  /** The disk it is installed on, for whoever writes the medium. */
  device: z.string().optional(),
  /** How long a new machine may take to answer: it may still be installed, and what else is made goes on meanwhile. */
  waitSeconds: z.number().int().positive().default(300),
});
export const installedMachineOutputs = installedMachineInputs.extend({
  /** The key the machine showed at the first contact. */
  knownHostKey: z.string(),
  /** Id of the node's data: that of the mark in it, which another installation keeps. */
  identity: z.string(),
  /** Which installation bears that data, from /etc/machine-id. */
  machineId: z.string(),
  /** False when `read` could not reach the machine. */
  reachable: z.boolean(),
});

/**
 * What makes a node of a bare machine with systemd: the boot files, and what it needs to enter the tailnet. The first
 * contact learns the machine's host key, and every later one insists on it (boot/machine/README.md).
 */
export const machineBootInputs = z.strictObject({
  nodeName: nameSchema,
  /** Id of the machine that another machine of the same name does not have: another one is contacted for the first time again. */
  machineId: z.string().min(1),
  /** Id of what holds the node's data, the data disk's or the machine's own: another one is another identity. */
  identity: z.string().min(1),
  /** IPv4 address or host name where SSH answers. */
  address: z.string().min(1),
  port: z.number().int().min(1).max(65535).default(22),
  user: z.string().min(1),
  /** Directory of the boot files on a machine that has them elsewhere than /usr/lib/homespan, as its /usr is read-only. */
  library: librarySchema.optional(),
  /** Secret, as it holds a key. Where the address is seen from, when that is not the machine that runs Pulumi. */
  via: sshHopSchema.optional(),
  /** Secret. PEM. */
  privateKey: z.string(),
  /** The host key, where it is known before the first contact. */
  knownHostKey: z.string().optional(),
  /** SHA-256 over the boot files of this version of Homespan: the provider delivers its own, this says when. */
  bootRevision: z.string(),
  /** True for a machine that was made with boot files and runs them from its first start on. @default false */
  beginsByItself: z.boolean().optional(),
  /** Non-secret files of the machine, path below /data -> content (`steward/node.conf`, `boot/ca.pem`, `artifacts.conf`, `firewall.nft`). */
  files: z.record(z.string(), z.string()),
  /** Secret. Delivered as /data/secrets/authkey; another one is for a machine that lost its device, which then logs in again. */
  authKey: z.string(),
  /** How long a machine may take to answer by SSH with its user-data done. */
  waitSeconds: z.number().int().positive().default(600),
});
export const machineBootOutputs = machineBootInputs.extend({
  /** `ssh-ed25519 AAAA...`, as the machine showed it at the first contact. */
  hostKey: z.string(),
  /** Secret, as it holds the key. */
  transport: transportSchema,
  /** Path below /data -> sha256 as found; "" for a missing file. */
  checksums: z.record(z.string(), z.string()),
  /** SHA-256 over the boot files as found on the machine, "" when one is missing. */
  foundRevision: z.string(),
  /** False when `read` could not reach the machine. */
  reachable: z.boolean(),
});

/**
 * This machine's own way into a tailnet: a tailscaled without privileges (userspace networking) that offers a proxy on
 * 127.0.0.1, for what answers on the tailnet alone.
 */
export const tailnetOperatorInputs = z.strictObject({
  clusterName: nameSchema,
  /** URL of the control server; "" for Tailscale's own. */
  loginServer: z.string(),
  /** CA of the control server, PEM; "" where the public CAs know it. */
  caCertificate: z.string().default(""),
  /** Its name in the tailnet. */
  hostName: z.string(),
  /** MagicDNS domain the tailnet must have, for its nodes are found by it. Without it, any is right. */
  domain: z.string().optional(),
  /** Secret. Used when the operator has to log in, and only then. */
  authKey: z.string(),
  /** Where its device is managed: there it is found lost, and removed with the operator. Without it, it stays there, logged out. */
  tailnet: tailnetRefSchema.optional(),
  waitSeconds: z.number().int().positive().default(60),
});
export const tailnetOperatorOutputs = tailnetOperatorInputs.extend({
  /** `http://127.0.0.1:PORT`: a proxy that answers CONNECT, for kubeconfigs. Kept for as long as the port is free when it starts. */
  proxyUrl: z.string(),
  /** Directory of its state, below the folder for states of this machine. */
  directory: z.string(),
  /** Id of its device in the tailnet. */
  deviceId: z.string(),
  /** False when `read` found that it does not run or is not logged in here. */
  running: z.boolean(),
});

/**
 * Whose policy a tailnet has. An `up` that is killed while it sets the policy leaves one behind that no state knows of: by
 * its mark the next one knows it.
 */
export const tailnetPolicyOriginInputs = z.strictObject({
  tailnet: tailnetRefSchema,
  clusterName: nameSchema,
});
export const tailnetPolicyOriginOutputs = tailnetPolicyOriginInputs.extend({
  /** True when it was written here for this cluster. */
  own: z.boolean(),
});

/**
 * A machine's place in a tailnet that outlives the stack. Creation and deletion remove the devices that have the place:
 * the first makes the name free for the machine that is about to log in, the second leaves nothing behind. A place that
 * was left, or that nobody took while the key for it was valid, is made anew: then the key for it is, too.
 */
export const tailnetDeviceInputs = z.strictObject({
  tailnet: tailnetRefSchema,
  /** Name the machine logs in with, without the domain. */
  hostName: z.string().min(1),
  /** Devices of that name with another tag are not this cluster's. */
  tag: z.string().startsWith("tag:"),
  /** Id of what makes the machine the one it is: another one is another device. */
  identity: z.string().min(1),
  /** Life of the key with which the machine logs in. */
  keySeconds: z.number().int().positive().default(3600),
});
export const tailnetDeviceOutputs = tailnetDeviceInputs.extend({
  /** Random: tells one making of the place from the next. */
  generation: z.string(),
  createdAt: z.iso.datetime(),
  /** True once `read` has seen the device. */
  found: z.boolean(),
});
