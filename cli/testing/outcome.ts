/** What a part of the tests is, and what came of it. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Outcome extends Counts {
  readonly ok: boolean;
  /** Which tests failed and why, for the end of the run, where they are looked for. */
  readonly failures?: readonly string[];
}

export interface Part {
  readonly name: string;
  /** Says what it has to say as it comes. */
  readonly run: () => Promise<Outcome>;
}

/** A part whose words are kept until they are asked for, so that it can run beside another. */
export interface QuietPart {
  readonly name: string;
  readonly run: () => Promise<Outcome & { readonly words: string }>;
}

/** Parts that run at the same time: those that use one core, one after the other, beside one that uses all there are. */
export interface Step {
  readonly beside: readonly QuietPart[];
  readonly part: Part;
}

export interface Result {
  readonly name: string;
  readonly ok: boolean;
  readonly milliseconds: number;
  readonly counts: Counts;
  readonly failures: readonly string[];
}

export const nothing: Counts = { passed: 0, failed: 0, skipped: 0 };

export function alone(part: Part): Step {
  return { beside: [], part };
}

export async function timed(name: string, work: () => Promise<Outcome>): Promise<Result> {
  const started = Date.now();
  const { ok, failures = [], ...counts } = await work();
  return { name, ok, milliseconds: Date.now() - started, counts, failures };
}

export async function runQuietly(
  parts: readonly QuietPart[],
): Promise<readonly (Result & { readonly words: string })[]> {
  const results: (Result & { readonly words: string })[] = [];
  for (const { name, run } of parts) {
    let words = "";
    const result = await timed(name, async () => {
      const outcome = await run();
      words = outcome.words;
      return { ...nothing, ok: outcome.ok };
    });
    results.push({ ...result, words });
  }
  return results;
}
