/** The toolchain as the verbs use it. It is loaded when needed: most verbs work with what is installed. */
import type { SourceSetting } from "../toolchain/reach.ts";
import type { Group, Prepared, Reporter, Task, ToolRow } from "../toolchain/types.ts";
import { duration } from "./console.ts";
import type { Context } from "./context.ts";
import { Failure, InputError, systemProblem } from "./errors.ts";

/** Makes or finds the tools and images of the groups. Slow the first time, instant afterwards. */
export async function prepareTools(context: Context, groups: readonly Group[]): Promise<Prepared> {
  await sourceOf(context.environment);
  const { prepare } = await import("../toolchain/index.ts");
  try {
    return await prepare({ groups, yes: context.yes, reporter: lineReporter(context) });
  } catch (error) {
    if (systemProblem(error) !== undefined) throw error;
    throw new Failure(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Where missing tools come from, as `HOMESPAN_SOURCE` says.
 *
 * @throws InputError for a word it does not know.
 */
export async function sourceOf(environment: Context["environment"]): Promise<SourceSetting> {
  const { sourceSetting } = await import("../toolchain/reach.ts");
  try {
    return sourceSetting(environment);
  } catch (error) {
    throw new InputError(error instanceof Error ? error.message : String(error));
  }
}

export async function toolRows({ environment }: Context): Promise<readonly ToolRow[]> {
  await sourceOf(environment);
  const { listTools } = await import("../toolchain/index.ts");
  return listTools(environment);
}

/** A line when a piece of work starts, every 30 s while it runs, and when it ended. */
export function lineReporter(context: Context): Reporter {
  const { info } = context.console;
  return {
    start(label, expectedSeconds): Task {
      const started = Date.now();
      let detail = "";
      const elapsed = (): string => duration(Date.now() - started);
      const expected =
        expectedSeconds === undefined ? "" : `, about ${duration(expectedSeconds * 1000)} in all`;
      const first = setTimeout(() => {
        info(`  ${label} ...${expected === "" ? "" : ` (${expected.slice(2)})`}`);
      }, 1000);
      const timer = setInterval(() => {
        info(`  ${label}: ${elapsed()}${expected}${detail === "" ? "" : `: ${detail}`}`);
      }, 30_000);
      const end = (text: string): void => {
        clearTimeout(first);
        clearInterval(timer);
        if (text !== "") info(`  ${text}`);
      };
      return {
        detail(text) {
          detail = text;
        },
        done(text) {
          const slow = Date.now() - started > 1000;
          end(slow || context.console.verbose ? `${label}: ${text ?? "done"} (${elapsed()})` : "");
        },
        fail(text) {
          end(`${label}: FAILED after ${elapsed()}: ${text}`);
        },
      };
    },
    note(text) {
      info(`  ${text}`);
    },
  };
}
