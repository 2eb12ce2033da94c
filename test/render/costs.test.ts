import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { costReport, usd, type PricedResource } from "../../components/render/costs.ts";
import { lightsailBundles, pricesAsOf } from "../../components/upstream/lightsail-prices.ts";
import {
  lightsailNames,
  lightsailRegionNames,
  lightsailRegions,
  snapshotTimePattern,
  type LightsailRegion,
} from "../../components/upstream/lightsail.ts";

const instance = (bundleId: string, name = "server-1"): PricedResource => ({
  type: "instance",
  name,
  bundleId,
});

describe("a cost report", () => {
  test("of the reference pair", () => {
    expect(costReport([instance("large_3_0"), instance("xlarge_3_0", "server-2")])).toEqual({
      currency: "USD",
      pricesAsOf,
      lines: [
        { name: "server-1", what: "large_3_0, 2 vCPUs, 8 GiB", monthlyUsd: 44, baselinePercent: 30 },
        { name: "server-2", what: "xlarge_3_0, 4 vCPUs, 16 GiB", monthlyUsd: 84, baselinePercent: 40 },
      ],
      cloudMonthlyUsd: 128,
      monthlyUsd: 128,
    });
  });

  test("prices disks, buckets and addresses, and leaves what follows from use out of the sum", () => {
    const { lines, cloudMonthlyUsd } = costReport([
      { type: "disk", name: "data", diskGiB: 100 },
      { type: "bucket", name: "etcd", bundleId: "medium_1_0" },
      { type: "staticIp", name: "used", attached: true },
      { type: "staticIp", name: "idle", attached: false },
      { type: "snapshots", name: "server-1" },
    ]);
    expect(lines.map(({ monthlyUsd, remark }) => [monthlyUsd, remark])).toEqual([
      [10, undefined],
      [3, undefined],
      [0, "free while attached"],
      [3.65, "idle"],
      [undefined, "by use: $0.05 a stored GiB"],
    ]);
    expect(cloudMonthlyUsd).toBe(16.65);
  });

  test("says where it knows no price, and where there is no baseline", () => {
    const { lines, monthlyUsd } = costReport([
      instance("large_9_9"),
      { type: "bucket", name: "b", bundleId: "huge_1_0" },
      { type: "other", name: "o", what: "aws:s3/bucket:Bucket" },
      instance("c_large_1_0"),
      instance("4xlarge_3_0"),
    ]);
    expect(lines.slice(0, 3).map(({ remark }) => remark)).toEqual(Array(3).fill("no price known here"));
    expect(lines[3]).toEqual({ name: "server-1", what: "c_large_1_0, 2 vCPUs, 4 GiB", monthlyUsd: 42 });
    expect(lines[4]).toMatchObject({ baselinePercent: 40, remark: "bursts as needed" });
    expect(monthlyUsd).toBe(426);
  });

  test("adds power at home", () => {
    const { power, cloudMonthlyUsd, monthlyUsd } = costReport([instance("nano_2_0")], {
      watts: 85,
      usdPerKwh: 0.31,
    });
    expect(power).toEqual({ watts: 85, usdPerKwh: 0.31, kwhPerMonth: 62.05, monthlyUsd: 19.24 });
    expect([cloudMonthlyUsd, monthlyUsd]).toEqual([5, 24.24]);
  });

  test("is the sum of its lines, in whole cents", () => {
    const resource: fc.Arbitrary<PricedResource> = fc.oneof(
      fc.constantFrom(...lightsailBundles.keys()).map((id) => instance(id)),
      fc.integer({ min: 8, max: 16000 }).map((diskGiB) => ({ type: "disk" as const, name: "d", diskGiB })),
    );
    fc.assert(
      fc.property(fc.array(resource), (resources) => {
        const { lines, monthlyUsd } = costReport(resources);
        const inCents = lines.reduce((sum, line) => sum + Math.round((line.monthlyUsd ?? 0) * 100), 0);
        expect(Math.round(monthlyUsd * 100)).toBe(inCents);
      }),
    );
  });

  test("writes amounts as amounts", () => {
    expect([usd(0), usd(44), usd(-1.5), usd(1764)]).toEqual(["$0.00", "$44.00", "-$1.50", "$1764.00"]);
  });
});

describe("the table of bundles", () => {
  test("has the bundles of the reference cluster", () => {
    expect(lightsailBundles.get("large_3_0")).toMatchObject({ vCpus: 2, memoryMiB: 8192, monthlyUsd: 44 });
    expect(lightsailBundles.get("xlarge_3_0")).toMatchObject({ vCpus: 4, memoryMiB: 16384, monthlyUsd: 84 });
  });

  test("is what docs/costs.md says", () => {
    const rows = readFileSync(new URL("../../docs/costs.md", import.meta.url), "utf8")
      .split("\n")
      .filter((line) => /^\| `[a-z0-9_]+_0` /.test(line))
      .map((line) => line.split("|").map((cell) => cell.trim()));
    const documented = new Map(
      rows.map(([, id = "", ...cells]) => [id.replaceAll("`", ""), cells.slice(0, 6)]),
    );
    const current = [...lightsailBundles.values()].filter(({ id }) => /_(3|1)_0$/.test(id));
    const expected = current.map((it) => [
      it.id,
      [
        String(it.vCpus),
        String(it.memoryMiB / 1024),
        String(it.diskGiB),
        String(it.transferGiB / 1024),
        it.baselinePercent === undefined ? "" : `${it.baselinePercent} %`,
        usd(it.monthlyUsd).replace(".00", ""),
      ],
    ]);
    expect([...documented]).toEqual(expected);
    expect(readFileSync(new URL("../../docs/costs.md", import.meta.url), "utf8")).toContain(pricesAsOf);
  });

  test("costs the same wherever it is, and never less for more", () => {
    for (const bundle of lightsailBundles.values()) {
      const twin = lightsailBundles.get(bundle.id.replace(/_\d$/, "_0"));
      expect(bundle).toEqual({ ...twin, id: bundle.id });
    }
    const sizes = [...lightsailBundles.values()].filter(({ id }) => /^\w*_3_0$/.test(id));
    for (const [index, bundle] of sizes.slice(1).entries()) {
      expect(bundle.monthlyUsd).toBeGreaterThan(sizes[index]?.monthlyUsd ?? 0);
      expect(bundle.memoryMiB).toBeGreaterThan(sizes[index]?.memoryMiB ?? 0);
    }
  });
});

describe("literals of Lightsail", () => {
  test("regions", () => {
    expect(lightsailRegionNames).toHaveLength(19);
    for (const name of lightsailRegionNames) {
      const { zones }: LightsailRegion = lightsailRegions[name];
      expect(zones ?? "a").toMatch(/^a[a-f]*$/);
    }
  });

  test.each(["homespan-ci-etcd", "abc", "a".repeat(54)])("%s is a bucket's name", (name) => {
    expect(name).toMatch(lightsailNames.bucket);
  });

  test.each([
    "ab",
    "a".repeat(55),
    "a--b",
    "-ab",
    "ab-",
    "A-b",
    "a.b",
    "sthree-a",
    "amzn-s3-demo-a",
    "a-s3alias",
  ])("%s is none", (name) => {
    expect(name).not.toMatch(lightsailNames.bucket);
  });

  test("names of the other resources", () => {
    expect("lightsail-server-1").toMatch(lightsailNames.resource);
    expect("1-server").toMatch(lightsailNames.resource);
    expect("1-server").not.toMatch(lightsailNames.disk);
    expect(["-a", "a-", "a.b", "a b"].filter((name) => lightsailNames.resource.test(name))).toEqual([]);
  });

  test("hours of snapshots", () => {
    expect(["00:00", "23:00"].every((it) => snapshotTimePattern.test(it))).toBe(true);
    expect(["24:00", "3:00", "03:30", "03:00 "].some((it) => snapshotTimePattern.test(it))).toBe(false);
  });
});
