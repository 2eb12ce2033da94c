/** Programs of this machine for code that takes a way to run them, with the environment of the project's tools. */
import { execa } from "execa";
import type { Run } from "../provider/effects/process.ts";
import type { Context } from "./context.ts";
import { childEnvironment } from "./environment.ts";

/** A look takes a second; a machine that is asleep has a few more. */
const lookSeconds = 20;

/**
 * Waits shorter than a resource would: somebody looks on.
 *
 * @param mostSeconds of one program; more where a change hangs on the answer
 */
export function runTool(context: Context, mostSeconds = lookSeconds): Run {
  return async (program, args, { input = "", timeoutSeconds = mostSeconds } = {}) => {
    const seconds = Math.min(timeoutSeconds, mostSeconds);
    const result = await execa(program, args, {
      // What programs say is read.
      env: { ...childEnvironment(context.paths, context.environment), LC_ALL: "C" },
      extendEnv: false,
      reject: false,
      timeout: seconds * 1000,
      input,
    });
    if (result.code === "ENOENT") throw new Error(`${program} must be installed, found no such program`);
    const late = result.timedOut ? `\nno answer within ${seconds} s` : "";
    return { code: result.exitCode ?? 1, stdout: result.stdout, stderr: `${result.stderr}${late}` };
  };
}
