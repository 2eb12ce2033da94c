/** What the stand-in for Lightsail remembers of one account. */
import { join } from "node:path";
import { z } from "zod";
import { lightsailPorts } from "../../../components/upstream/lightsail.ts";
import { Books } from "../shared/books.ts";

const tags = z.record(z.string(), z.string());

export const portSchema = z.strictObject({
  fromPort: z.number(),
  toPort: z.number(),
  protocol: z.enum(lightsailPorts.protocols),
  cidrs: z.array(z.string()),
  ipv6Cidrs: z.array(z.string()),
  cidrListAliases: z.array(z.string()),
});
export type PortEntry = z.infer<typeof portSchema>;

export const addOnSchema = z.strictObject({
  type: z.enum(["AutoSnapshot", "StopInstanceOnIdle"]),
  snapshotTime: z.string(),
  status: z.enum(["Enabled", "Disabled"]),
});
export type AddOn = z.infer<typeof addOnSchema>;

const instanceSchema = z.strictObject({
  arn: z.string(),
  supportCode: z.string(),
  region: z.string(),
  zone: z.string(),
  blueprintId: z.string(),
  bundleId: z.string(),
  keyPairName: z.string(),
  userData: z.string(),
  ipAddressType: z.string(),
  tags,
  createdAt: z.string(),
  addOn: addOnSchema.optional(),
  ports: z.array(portSchema),
  privateAddress: z.string(),
  publicAddress: z.string(),
  ipv6Addresses: z.array(z.string()),
  /** `ordered`: its machine is being made, or whoever made it was killed; `never`: the fault `half-created`. */
  machine: z.enum(["ordered", "made", "never"]),
});
export type InstanceEntry = z.infer<typeof instanceSchema>;

const staticIpSchema = z.strictObject({
  arn: z.string(),
  supportCode: z.string(),
  region: z.string(),
  address: z.string(),
  /** Name of the instance. */
  attachedTo: z.string().optional(),
});
export type StaticIpEntry = z.infer<typeof staticIpSchema>;

const diskSchema = z.strictObject({
  arn: z.string(),
  supportCode: z.string(),
  region: z.string(),
  zone: z.string(),
  sizeInGb: z.number(),
  tags,
  createdAt: z.string(),
  attachedTo: z.string().optional(),
  path: z.string().optional(),
});
export type DiskEntry = z.infer<typeof diskSchema>;

const keyPairSchema = z.strictObject({
  arn: z.string(),
  region: z.string(),
  publicKey: z.string(),
  fingerprint: z.string(),
  tags,
});
export type KeyPairEntry = z.infer<typeof keyPairSchema>;

const bucketSchema = z.strictObject({
  arn: z.string(),
  supportCode: z.string(),
  region: z.string(),
  bundleId: z.string(),
  tags,
  createdAt: z.string(),
  /** How many objects are in it, as far as whoever keeps them has said. */
  objects: z.number(),
  accessKeys: z.record(z.string(), z.strictObject({ secretAccessKey: z.string(), createdAt: z.string() })),
});
export type BucketEntry = z.infer<typeof bucketSchema>;

/** Everything, by name. */
export const awsBooksSchema = z.strictObject({
  instances: z.record(z.string(), instanceSchema),
  staticIps: z.record(z.string(), staticIpSchema),
  disks: z.record(z.string(), diskSchema),
  keyPairs: z.record(z.string(), keyPairSchema),
  buckets: z.record(z.string(), bucketSchema),
});
export type AwsBooks = z.infer<typeof awsBooksSchema>;

/** The books in a rehearsal's folder. */
export function openAwsBooks(folder: string): Books<AwsBooks> {
  return new Books<AwsBooks>(join(folder, "aws.json"), awsBooksSchema, () => ({
    instances: {},
    staticIps: {},
    disks: {},
    keyPairs: {},
    buckets: {},
  }));
}
