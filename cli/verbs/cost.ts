import { costReport, usd, type CostLine, type CostReport } from "../../components/render/costs.ts";
import { indent, table } from "../console.ts";
import type { Context } from "../context.ts";
import { InputError } from "../errors.ts";
import { pricedStack } from "../priced-resources.ts";
import type { Stack } from "../stack.ts";
import { previewWhole } from "../trial.ts";

export interface CostOptions {
  readonly settings: readonly string[];
  /** Mean draw of the machines at home. */
  readonly watts?: number;
  /** US dollars a kilowatt-hour. */
  readonly kwhPrice?: number;
}

/** What a stack costs a month once it is as its config says, and what it costs now. Makes nothing. */
export async function cost(context: Context, stack: Stack, options: CostOptions): Promise<void> {
  const home = homePower(options);
  const text = await previewWhole(context, stack, "cost", { settings: options.settings, base: "committed" });
  const { current, planned } = pricedStack(text);
  const report = costReport(planned, home);
  const now = costReport(current).cloudMonthlyUsd;
  if (context.console.json) {
    context.console.out(JSON.stringify({ stack: stack.name, ...report, cloudMonthlyUsdNow: now }));
  } else {
    context.console.out(show(stack.name, report, now));
  }
}

function homePower({ watts, kwhPrice }: CostOptions): { watts: number; usdPerKwh: number } | undefined {
  if (watts === undefined && kwhPrice === undefined) return undefined;
  if (watts === undefined) throw new InputError("`--kwh-price` must come with --watts");
  if (kwhPrice === undefined) throw new InputError("`--watts` must come with --kwh-price");
  return { watts, usdPerKwh: kwhPrice };
}

function show(stack: string, report: CostReport, now: number): string {
  const parts: string[] = [];
  if (report.lines.length === 0) {
    parts.push(`${stack} makes nothing that is billed: it costs nothing but power`);
  } else {
    const header = ["RESOURCE", "WHAT", "A MONTH", "BASELINE", "REMARK"];
    parts.push(
      table(header, report.lines.map(row)),
      `prices of us-east-1 as of ${report.pricesAsOf}, without tax`,
    );
  }
  if (report.power !== undefined) {
    const { watts, usdPerKwh, kwhPerMonth, monthlyUsd } = report.power;
    parts.push(
      `power: ${watts} W are ${kwhPerMonth} kWh a month, ${usd(monthlyUsd)} at ${usd(usdPerKwh)} a kWh`,
    );
  }
  if (report.lines.length > 0 || report.power !== undefined) {
    parts.push(`together: ${usd(report.monthlyUsd)} a month`);
  }
  if (now !== report.cloudMonthlyUsd) parts.push(indent(change(now, report.cloudMonthlyUsd)));
  return parts.join("\n");
}

function row({ name, what, monthlyUsd, baselinePercent, remark }: CostLine): string[] {
  return [
    name,
    what,
    monthlyUsd === undefined ? "?" : usd(monthlyUsd),
    baselinePercent === undefined ? "" : `${baselinePercent} %`,
    remark ?? "",
  ];
}

function change(now: number, then: number): string {
  return `the cloud's part is ${usd(now)} now, ${usd(then)} after up: ${then > now ? "+" : ""}${usd(then - now)}`;
}
