/** Literals of Amazon Lightsail. Bundles and what they cost: lightsail-prices.ts. */

/** What one region offers. A field that is absent could not be confirmed in what AWS publishes. */
export interface LightsailRegion {
  /** Letters of the Availability Zones. https://www.pulumi.com/registry/packages/aws@5.x/api-docs/lightsail/instance/ */
  readonly zones?: string;
  /**
   * Last part of the ids of general purpose bundles: `large_3_0` in most regions is `large_3_1` in Mumbai and
   * `large_3_2` in Sydney. https://docs.aws.amazon.com/cli/latest/reference/lightsail/get-bundles.html
   */
  readonly bundleVariant?: BundleVariant;
}

export const bundleVariants = ["0", "1", "2"] as const;
export type BundleVariant = (typeof bundleVariants)[number];

/**
 * Regions that offer Lightsail. https://docs.aws.amazon.com/lightsail/latest/userguide/access-lightsail.html
 *
 * AWS publishes zones and ids of bundles only through its API (`get-regions --include-availability-zones`,
 * `get-bundles`). Not confirmed: the zones of Stockholm and of the regions opened since 2024; the variant in Hong Kong,
 * Jakarta, Malaysia and Spain.
 */
export const lightsailRegions = {
  "us-east-1": { zones: "abcdef", bundleVariant: "0" },
  "us-east-2": { zones: "abc", bundleVariant: "0" },
  "us-west-2": { zones: "abc", bundleVariant: "0" },
  "ca-central-1": { zones: "ab", bundleVariant: "0" },
  "sa-east-1": { bundleVariant: "1" },
  "eu-central-1": { zones: "abc", bundleVariant: "0" },
  "eu-north-1": { bundleVariant: "0" },
  "eu-south-2": {},
  "eu-west-1": { zones: "abc", bundleVariant: "0" },
  "eu-west-2": { zones: "abc", bundleVariant: "0" },
  "eu-west-3": { zones: "abc", bundleVariant: "0" },
  "ap-east-1": {},
  "ap-northeast-1": { zones: "acd", bundleVariant: "0" },
  "ap-northeast-2": { zones: "ac", bundleVariant: "0" },
  "ap-south-1": { zones: "ab", bundleVariant: "1" },
  "ap-southeast-1": { zones: "abc", bundleVariant: "0" },
  "ap-southeast-2": { zones: "abc", bundleVariant: "2" },
  "ap-southeast-3": {},
  "ap-southeast-5": {},
} as const satisfies Readonly<Record<string, LightsailRegion>>;
export type LightsailRegionName = keyof typeof lightsailRegions;
export const lightsailRegionNames = Object.keys(lightsailRegions) as LightsailRegionName[];

/**
 * Operating systems a node can have, with the user that logs in by SSH and may use sudo.
 * https://docs.aws.amazon.com/lightsail/latest/userguide/lightsail-how-to-set-up-putty-to-connect-using-ssh.html
 */
export const lightsailBlueprints = {
  debian_12: { user: "admin" },
  ubuntu_24_04: { user: "ubuntu" },
  ubuntu_22_04: { user: "ubuntu" },
} as const;
export type LightsailBlueprintId = keyof typeof lightsailBlueprints;
export const lightsailBlueprintIds = Object.keys(lightsailBlueprints) as LightsailBlueprintId[];

/**
 * What a name may look like.
 *
 * Instances, key pairs, static IPs and disks share the API's `ResourceName`; AWS's provider also wants 2 to 255 characters,
 * a letter or digit at both ends, and a letter first for disks.
 * https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_AttachDisk.html
 * https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/lightsail/instance.go
 */
export const lightsailNames = {
  resource: /^[A-Za-z0-9][\w-]*[A-Za-z0-9]$/,
  resourceLength: { min: 2, max: 255 },
  disk: /^[A-Za-z][\w-]*[A-Za-z0-9]$/,
  /** https://docs.aws.amazon.com/lightsail/latest/userguide/bucket-naming-rules-in-amazon-lightsail.html */
  bucket: /^(?!amzn-s3-demo-|sthree-)(?!.*--)(?!.*-s3alias$)[a-z0-9][a-z0-9-]{1,52}[a-z0-9]$/,
} as const;

/** https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_PortInfo.html */
export const lightsailPorts = {
  min: 0,
  max: 65535,
  protocols: ["tcp", "udp", "all", "icmp", "icmpv6"],
} as const;

/** Default quotas. https://docs.aws.amazon.com/general/latest/gr/lightsail.html */
export const lightsailQuotas = {
  /** Of one extra disk. */
  diskGiB: { min: 8, max: 16_000 },
  disksPerInstance: 15,
  attachedDiskGiBPerRegion: 20_000,
  /** AWS raises these two on request. */
  staticIpsPerRegion: 5,
  vCpusPerRegion: 20,
  tagsPerResource: 50,
} as const;

/** Where the one extra disk of an instance is attached. https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_AttachDisk.html */
export const lightsailDiskPath = "/dev/xvdf";

/**
 * Hour of the daily automatic snapshot, UTC; Lightsail keeps the last seven.
 * https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_AutoSnapshotAddOnRequest.html
 */
export const snapshotTimePattern = /^([01]\d|2[0-3]):00$/;
export const automaticSnapshotsKept = 7;

/**
 * Our own limit: AWS publishes none for Lightsail, EC2's is 16 KB, and Lightsail puts a preamble of its own in front.
 * https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_CreateInstances.html
 */
export const userDataMaxBytes = 16 * 1024;

/** A Lightsail bucket is one of S3. https://docs.aws.amazon.com/general/latest/gr/s3.html */
export function bucketEndpoint(region: string): string {
  return `s3.${region}.amazonaws.com`;
}
