/** Tables of measurements: printed, and put between the marks of docs/benchmarks.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { repository } from "./command.ts";

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** `17.6 (17.2, 17.6, 18.4)`: the median and what it is of. */
export function spread(values: readonly number[], digits = 1): string {
  return `${median(values).toFixed(digits)} (${values.map((value) => value.toFixed(digits)).join(", ")})`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function machine(): string {
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `${String(cpus().length)} cores, ${String(gibibytes)} GiB, ${process.platform} ${process.arch}`;
}

/** Prints the text and replaces what docs/benchmarks.md has between `<!-- NAME -->` and `<!-- /NAME -->`. */
export function publish(name: string, text: string): void {
  const day = new Date().toISOString().slice(0, 10);
  const section = `${text}\n\nMeasured ${day} on ${machine()}.`;
  process.stdout.write(`\n${section}\n`);
  const path = join(repository, "docs/benchmarks.md");
  const page = readFileSync(path, "utf8");
  const start = `<!-- ${name} -->`;
  const end = `<!-- /${name} -->`;
  const [head, rest] = page.split(start);
  const tail = rest?.split(end)[1];
  if (head === undefined || tail === undefined)
    throw new Error(`docs/benchmarks.md has no ${start} ... ${end}`);
  writeFileSync(path, `${head}${start}\n\n${section}\n\n${end}${tail}`);
}

/** Says what is being measured, on stderr. */
export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** How many rounds: the first argument of the benchmark. @default 3 */
export function roundsAsked(): number {
  const rounds = Number(process.argv[2] ?? "3");
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`\`ROUNDS\` must be a positive whole number, got ${process.argv[2] ?? ""}`);
  }
  return rounds;
}
