/**
 * Lightsail's Linux bundles with a public IPv4 address, and what they and everything beside them cost.
 *
 * Sizes and prices: https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-bundles.html
 * Baselines: https://docs.aws.amazon.com/lightsail/latest/userguide/baseline-cpu-performance.html
 *
 * AWS prints names ("Large-8GB Linux") and no ids; the ids are those of `aws lightsail get-bundles`. Left out because no id
 * could be confirmed: compute optimized from 4xlarge, memory optimized from 4xlarge. IPv6-only and Windows bundles are left
 * out because no node here can use them.
 */
import { bundleVariants } from "./lightsail.ts";

/** The day AWS's pages said what this file says. */
export const pricesAsOf = "2026-09-17";

export interface LightsailBundle {
  readonly id: string;
  readonly vCpus: number;
  readonly memoryMiB: number;
  readonly diskGiB: number;
  /** Included traffic a month, in both directions, in most regions; Sydney has half of it. */
  readonly transferGiB: number;
  /** What each vCPU may do without end; above it burst capacity is used up. Absent where AWS publishes none. */
  readonly baselinePercent?: number;
  /** True where it bursts as needed, without capacity that runs out. */
  readonly burstsFreely: boolean;
  readonly monthlyUsd: number;
  /** Instances made before 29 June 2023; whether new ones can be made is not documented. */
  readonly previousGeneration: boolean;
}

type Row = readonly [
  size: string,
  vCpus: number,
  memoryGiB: number,
  diskGiB: number,
  transferTiB: number,
  baselinePercent: number | undefined,
  monthlyUsd: number,
];

const generalPurpose: readonly Row[] = [
  ["nano", 2, 0.5, 20, 1, 5, 5],
  ["micro", 2, 1, 40, 2, 10, 7],
  ["small", 2, 2, 60, 3, 20, 12],
  ["medium", 2, 4, 80, 4, 20, 24],
  ["large", 2, 8, 160, 5, 30, 44],
  ["xlarge", 4, 16, 320, 6, 40, 84],
  ["2xlarge", 8, 32, 640, 7, 40, 164],
  ["4xlarge", 16, 64, 1280, 8, 40, 384],
  ["8xlarge", 32, 128, 1280, 9, 40, 884],
  ["12xlarge", 48, 192, 1280, 10, 40, 1324],
  ["16xlarge", 64, 256, 1280, 10, 40, 1764],
];

const previousGeneralPurpose: readonly Row[] = [
  ["nano", 1, 0.5, 20, 1, 5, 5],
  ["micro", 1, 1, 40, 2, 10, 7],
  ["small", 1, 2, 60, 3, 20, 12],
  ["medium", 2, 4, 80, 4, 20, 24],
  ["large", 2, 8, 160, 5, 30, 44],
  ["xlarge", 4, 16, 320, 6, 22.5, 84],
  ["2xlarge", 8, 32, 640, 7, 17, 164],
];

/** Their ids were seen in us-east-1 only; no baseline is published. */
const computeOptimized: readonly Row[] = [
  ["c_large", 2, 4, 160, 5, undefined, 42],
  ["c_xlarge", 4, 8, 320, 6, undefined, 84],
  ["c_2xlarge", 8, 16, 640, 7, undefined, 168],
];
const memoryOptimized: readonly Row[] = [
  ["m_large", 2, 16, 160, 5, undefined, 74],
  ["m_xlarge", 4, 32, 320, 6, undefined, 144],
  ["m_2xlarge", 8, 64, 640, 7, undefined, 294],
];

/** Bundles that burst as needed. https://docs.aws.amazon.com/lightsail/latest/userguide/baseline-cpu-performance.html */
const burstingFreely: readonly string[] = ["4xlarge", "8xlarge", "12xlarge", "16xlarge"];

function bundle(row: Row, suffix: string): LightsailBundle {
  const [size, vCpus, memoryGiB, diskGiB, transferTiB, baselinePercent, monthlyUsd] = row;
  return {
    id: `${size}_${suffix}`,
    vCpus,
    memoryMiB: memoryGiB * 1024,
    diskGiB,
    transferGiB: transferTiB * 1024,
    ...(baselinePercent === undefined ? {} : { baselinePercent }),
    burstsFreely: burstingFreely.includes(size),
    monthlyUsd,
    previousGeneration: suffix.startsWith("2_"),
  };
}

/** Every bundle, by id. Which of them a region offers follows from its variant. */
export const lightsailBundles: ReadonlyMap<string, LightsailBundle> = new Map(
  [
    ...bundleVariants.flatMap((variant) => generalPurpose.map((row) => bundle(row, `3_${variant}`))),
    ...bundleVariants.flatMap((variant) => previousGeneralPurpose.map((row) => bundle(row, `2_${variant}`))),
    ...[...computeOptimized, ...memoryOptimized].map((row) => bundle(row, "1_0")),
  ].map((it) => [it.id, it]),
);

/**
 * Plans of a bucket. Ids and prices are those of the AWS provider's examples and of a third party's price list; AWS shows the
 * sizes in its console only. https://aws.amazon.com/lightsail/pricing/
 */
export const lightsailBucketBundles = {
  small_1_0: { monthlyUsd: 1 },
  medium_1_0: { monthlyUsd: 3 },
  large_1_0: { monthlyUsd: 5 },
} as const;
export type LightsailBucketBundleId = keyof typeof lightsailBucketBundles;
export const lightsailBucketBundleIds = Object.keys(lightsailBucketBundles) as LightsailBucketBundleId[];

/** Extra disks, a GB and month, in us-east-1. https://aws.amazon.com/lightsail/pricing/ */
export const diskMonthlyUsdPerGiB = 0.1;

/** Snapshots, a stored GB and month; each after the first stores what changed. https://aws.amazon.com/lightsail/pricing/ */
export const snapshotMonthlyUsdPerGiB = 0.05;

/** A static IP that is attached to no instance, an hour; attached ones are free. https://aws.amazon.com/lightsail/faq/ */
export const idleStaticIpHourlyUsd = 0.005;
