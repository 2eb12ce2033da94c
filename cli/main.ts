/** Where ./homespan arrives. */
import { CommanderError } from "commander";
import { Failure, InputError, exitCode } from "./errors.ts";
import { makeProgram } from "./program.ts";

// The reader of a pipe may stop reading (`./homespan ... | head`): nobody is left to tell.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(exitCode.ok);
  });
}

process.exitCode = await main(process.argv.slice(2));

/** Runs a command line; returns its exit code. Only a defect of this program shows a stack trace. */
async function main(args: readonly string[]): Promise<number> {
  let code: number = exitCode.ok;
  try {
    const program = makeProgram((result) => {
      code = result;
    });
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.badInput;
    if (error instanceof Failure || error instanceof InputError) {
      report(args, error);
      return error.exitCode;
    }
    process.stderr.write(
      `homespan: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return exitCode.failed;
  }
}

function report(args: readonly string[], error: Failure | InputError): void {
  process.stderr.write(`homespan: ${error.message}\n`);
  const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  // `status` and `doctor` have printed their object already and fail only in their exit code.
  const printed = ["status", "doctor", "kubectl", "ssh", "sweep", "preview"].includes(own[0] ?? "");
  if (!own.includes("--json") || printed) return;
  const details = error instanceof Failure ? error.details : {};
  process.stdout.write(
    `${JSON.stringify({ command: own[0], succeeded: false, exitCode: error.exitCode, error: error.message, ...details })}\n`,
  );
}
