import { createInterface } from "node:readline/promises";
import { Interrupted } from "./errors.ts";

/** What a verb may say and ask. */
export interface Console {
  /** The result: standard output. */
  readonly out: (text: string) => void;
  /** Progress and remarks: standard output too, or standard error under `--json`. */
  readonly info: (text: string) => void;
  /** Warnings: standard error. */
  readonly warn: (text: string) => void;
  readonly json: boolean;
  readonly verbose: boolean;
  /** True where a question can be asked and answered. */
  readonly interactive: boolean;
  readonly ask: (question: string) => Promise<boolean>;
}

let resultPrinted = false;

/** True once this process has printed a result. */
export function hasPrinted(): boolean {
  return resultPrinted;
}

export function terminalConsole(options: { readonly json: boolean; readonly verbose: boolean }): Console {
  const stdout = (text: string): void => void process.stdout.write(`${text}\n`);
  const stderr = (text: string): void => void process.stderr.write(`${text}\n`);
  return {
    out: (text) => {
      resultPrinted = true;
      stdout(text);
    },
    info: options.json ? stderr : stdout,
    warn: stderr,
    json: options.json,
    verbose: options.verbose,
    interactive: process.stdin.isTTY && process.stderr.isTTY && process.env["CI"] !== "true",
    ask: async (question) => {
      const reader = createInterface({ input: process.stdin, output: process.stderr });
      try {
        const answer = await reader.question(`${question} [y/N] `);
        return /^y(es)?$/i.test(answer.trim());
      } catch (error) {
        throw error instanceof Error && error.name === "AbortError" ? new Interrupted("SIGINT") : error;
      } finally {
        reader.close();
      }
    },
  };
}

/** Columns as wide as their widest cell, two spaces apart. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => (cells[column] ?? "").padEnd(width))
      .join("  ")
      .trimEnd();
  return [header, ...rows].map(line).join("\n");
}

/** `850 ms`, `12.3 s`, `4 min 05 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${String(Math.round(milliseconds))} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${String(Math.floor(seconds / 60))} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** Each line after two spaces. */
export function indent(text: string, prefix = "  "): string {
  return text.replaceAll(/^(?=.)/gm, prefix);
}
