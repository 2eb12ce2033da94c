import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { pricedStack } from "../../cli/priced-resources.ts";
import { cost } from "../../cli/verbs/cost.ts";
import { checkout } from "./bed.ts";
import { bed, ci, failure } from "./verb-support.ts";

const lightsail = { name: "lightsail", topology: "ci" };
const fixture = (name: string): string => join(checkout, "test/cli/fixtures", name);
const withInstances = { env: { FAKE_PREVIEW: fixture("preview-lightsail.json") } };
const preview = (steps: unknown): string => JSON.stringify({ steps });

/** A preview of one resource that is to be made. */
function created(type: string, inputs: Record<string, unknown>): string {
  const urn = `urn:pulumi:x::homespan::${type}::it`;
  return preview([{ op: "create", urn, newState: { type, inputs } }]);
}

describe("what is billed", () => {
  const { current, planned } = pricedStack(readFileSync(fixture("preview-lightsail.json"), "utf8"));

  test("after up: what stays, what is replaced as it will be, what is made", () => {
    expect(planned).toEqual([
      { type: "instance", name: "lightsail-server-1", bundleId: "large_3_0" },
      { type: "snapshots", name: "lightsail-server-1" },
      { type: "instance", name: "lightsail-server-2", bundleId: "xlarge_3_0" },
      { type: "staticIp", name: "lightsail-server-1", attached: true },
      { type: "disk", name: "lightsail-server-2", diskGiB: 64 },
      { type: "bucket", name: "homespan-lightsail-etcd", bundleId: "small_1_0" },
    ]);
  });

  test("now: what is replaced as it is, what will be deleted, and nothing that is yet to be made", () => {
    const now = current.filter(({ type }) => type === "instance" || type === "disk");
    expect(now).toEqual([
      { type: "instance", name: "lightsail-server-1", bundleId: "large_3_0" },
      { type: "instance", name: "lightsail-server-2", bundleId: "medium_3_0" },
      { type: "instance", name: "lightsail-agent-1", bundleId: "small_3_0" },
    ]);
  });

  test("an address without an attachment is idle; one whose attachment is not known by name yet is not", () => {
    const type = "aws:lightsail/staticIp:StaticIp";
    expect(pricedStack(created(type, { name: "a" })).planned).toEqual([
      { type: "staticIp", name: "a", attached: false },
    ]);
    const attachment = "aws:lightsail/staticIpAttachment:StaticIpAttachment";
    const steps = [
      { op: "create", urn: "urn:pulumi:x::homespan::a::a", newState: { type, inputs: { name: "a" } } },
      {
        op: "create",
        urn: "urn:pulumi:x::homespan::b::b",
        newState: { type: attachment, inputs: { staticIpName: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" } },
      },
    ];
    expect(pricedStack(preview(steps)).planned).toEqual([{ type: "staticIp", name: "a", attached: true }]);
  });

  test("a type of AWS without a price is shown, not left out", () => {
    expect(pricedStack(created("aws:s3/bucket:Bucket", {})).planned).toEqual([
      { type: "other", name: "it", what: "aws:s3/bucket:Bucket" },
    ]);
  });

  test("snapshots that are switched off are none", () => {
    const inputs = { bundleId: "nano_3_0", addOn: { type: "AutoSnapshot", status: "Disabled" } };
    expect(pricedStack(created("aws:lightsail/instance:Instance", inputs)).planned).toHaveLength(1);
  });
});

describe("cost", () => {
  test("shows each resource, the sum and what up changes", async () => {
    const made = bed(withInstances);
    await cost(made.context, lightsail, { settings: [] });
    expect(made.printed[0]?.split("\n").map((line) => line.replaceAll(/ {2,}/g, " | "))).toEqual([
      "RESOURCE | WHAT | A MONTH | BASELINE | REMARK",
      "lightsail-server-1 | large_3_0, 2 vCPUs, 8 GiB | $44.00 | 30 %",
      "lightsail-server-1 | daily snapshots | ? | by use: $0.05 a stored GiB",
      "lightsail-server-2 | xlarge_3_0, 4 vCPUs, 16 GiB | $84.00 | 40 %",
      "lightsail-server-1 | static IP | $0.00 | free while attached",
      "lightsail-server-2 | disk, 64 GiB | $6.40",
      "homespan-lightsail-etcd | bucket, small_1_0 | $1.00",
      "prices of us-east-1 as of 2026-09-17, without tax",
      "together: $135.40 a month",
      " | the cloud's part is $81.00 now, $135.40 after up: +$54.40",
    ]);
    expect(made.calls().some((call) => call.includes("preview --json --refresh=false --show-sames"))).toBe(
      true,
    );
  });

  test("adds home power, and says all of it as JSON", async () => {
    const made = bed({ ...withInstances, json: true });
    await cost(made.context, lightsail, { settings: [], watts: 100, kwhPrice: 0.3 });
    expect(JSON.parse(made.printed[0]!)).toMatchObject({
      stack: "lightsail",
      currency: "USD",
      pricesAsOf: "2026-09-17",
      cloudMonthlyUsd: 135.4,
      cloudMonthlyUsdNow: 81,
      power: { watts: 100, usdPerKwh: 0.3, kwhPerMonth: 73, monthlyUsd: 21.9 },
      monthlyUsd: 157.3,
    });
  });

  test("of ci is this machine's power", async () => {
    const made = bed({ env: { FAKE_PREVIEW: fixture("preview.json") } });
    await cost(made.context, ci, { settings: [] });
    await cost(made.context, ci, { settings: [], watts: 60, kwhPrice: 0.25 });
    const nothing = "ci makes nothing that is billed: it costs nothing but power";
    expect(made.printed).toEqual([
      nothing,
      `${nothing}\npower: 60 W are 43.8 kWh a month, $10.95 at $0.25 a kWh\ntogether: $10.95 a month`,
    ]);
  });

  test("needs both halves of the power", async () => {
    const made = bed();
    const of = (options: { watts?: number; kwhPrice?: number }): ReturnType<typeof failure> =>
      failure(cost(made.context, ci, { settings: [], ...options }));
    expect((await of({ watts: 60 })).message).toBe("`--watts` must come with --kwh-price");
    expect((await of({ kwhPrice: 0.3 })).message).toBe("`--kwh-price` must come with --watts");
    expect(made.calls()).toEqual([]);
  });
});
