/** What a list of resources costs a month. Pure. */
import {
  diskMonthlyUsdPerGiB,
  idleStaticIpHourlyUsd,
  lightsailBucketBundles,
  lightsailBundles,
  pricesAsOf,
  snapshotMonthlyUsdPerGiB,
} from "../upstream/lightsail-prices.ts";

/** A year's hours by twelve: what AWS takes for a month. */
const hoursPerMonth = 730;

/** Something that is billed, by what its price follows from. */
export type PricedResource =
  | { readonly type: "instance"; readonly name: string; readonly bundleId: string }
  | { readonly type: "disk"; readonly name: string; readonly diskGiB: number }
  | { readonly type: "bucket"; readonly name: string; readonly bundleId: string }
  | { readonly type: "staticIp"; readonly name: string; readonly attached: boolean }
  /** Daily snapshots of an instance; their size is known only once they exist. */
  | { readonly type: "snapshots"; readonly name: string }
  /** A resource of a cloud that this table has no price for. */
  | { readonly type: "other"; readonly name: string; readonly what: string };

export interface CostLine {
  readonly name: string;
  /** What it is, in a few words: `large_3_0, 2 vCPUs, 8 GiB`. */
  readonly what: string;
  /** Absent where it follows from use or is not known here; `remark` then says which. */
  readonly monthlyUsd?: number;
  /** Share of each vCPU an instance may use without end. */
  readonly baselinePercent?: number;
  readonly remark?: string;
}

/** Electricity of the machines at home. */
export interface HomePower {
  /** Mean draw of all of them. */
  readonly watts: number;
  readonly usdPerKwh: number;
}

export interface CostReport {
  readonly currency: "USD";
  /** Day of the price table, ISO 8601. */
  readonly pricesAsOf: string;
  readonly lines: readonly CostLine[];
  /** Sum of what the clouds bill and is known beforehand. */
  readonly cloudMonthlyUsd: number;
  readonly power?: HomePower & { readonly kwhPerMonth: number; readonly monthlyUsd: number };
  /** Clouds and power. */
  readonly monthlyUsd: number;
}

export function costReport(resources: readonly PricedResource[], home?: HomePower): CostReport {
  const lines = resources.map(costLine);
  const cloudMonthlyUsd = cents(lines.reduce((sum, line) => sum + (line.monthlyUsd ?? 0), 0));
  const power = home === undefined ? undefined : powerCost(home);
  return {
    currency: "USD",
    pricesAsOf,
    lines,
    cloudMonthlyUsd,
    ...(power === undefined ? {} : { power }),
    monthlyUsd: cents(cloudMonthlyUsd + (power?.monthlyUsd ?? 0)),
  };
}

function costLine(resource: PricedResource): CostLine {
  const { name } = resource;
  switch (resource.type) {
    case "instance":
      return { name, ...instance(resource.bundleId) };
    case "disk":
      return {
        name,
        what: `disk, ${resource.diskGiB} GiB`,
        monthlyUsd: cents(resource.diskGiB * diskMonthlyUsdPerGiB),
      };
    case "bucket":
      return { name, ...bucket(resource.bundleId) };
    case "staticIp":
      return resource.attached
        ? { name, what: "static IP", monthlyUsd: 0, remark: "free while attached" }
        : {
            name,
            what: "static IP",
            monthlyUsd: cents(idleStaticIpHourlyUsd * hoursPerMonth),
            remark: "idle",
          };
    case "snapshots":
      return {
        name,
        what: "daily snapshots",
        remark: `by use: ${usd(snapshotMonthlyUsdPerGiB)} a stored GiB`,
      };
    case "other":
      return { name, what: resource.what, remark: "no price known here" };
    default:
      return unknownType(resource);
  }
}

function instance(bundleId: string): Omit<CostLine, "name"> {
  const bundle = lightsailBundles.get(bundleId);
  if (bundle === undefined) return { what: bundleId, remark: "no price known here" };
  const { vCpus, memoryMiB, monthlyUsd, baselinePercent, burstsFreely } = bundle;
  return {
    what: `${bundleId}, ${vCpus} vCPU${vCpus === 1 ? "" : "s"}, ${memoryMiB / 1024} GiB`,
    monthlyUsd,
    ...(baselinePercent === undefined ? {} : { baselinePercent }),
    ...(burstsFreely ? { remark: "bursts as needed" } : {}),
  };
}

function bucket(bundleId: string): Omit<CostLine, "name"> {
  const plans: Readonly<Record<string, { readonly monthlyUsd: number }>> = lightsailBucketBundles;
  const plan = plans[bundleId];
  return { what: `bucket, ${bundleId}`, ...(plan ?? { remark: "no price known here" }) };
}

function powerCost({ watts, usdPerKwh }: HomePower): NonNullable<CostReport["power"]> {
  const kwhPerMonth = (watts / 1000) * hoursPerMonth;
  return { watts, usdPerKwh, kwhPerMonth: cents(kwhPerMonth), monthlyUsd: cents(kwhPerMonth * usdPerKwh) };
}

/** `$44.00` */
export function usd(amount: number): string {
  return `${amount < 0 ? "-" : ""}$${Math.abs(amount).toFixed(2)}`;
}

function cents(amount: number): number {
  return Math.round(amount * 100) / 100;
}

function unknownType(resource: never): never {
  throw new TypeError(`\`type\` must be a kind of priced resource, got ${JSON.stringify(resource)}`);
}
