/** Where ./homespan arrives. */
import { CommanderError } from "commander";
import { hasPrinted } from "./console.ts";
import { Failure, InputError, exitCode, systemProblem } from "./errors.ts";
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
    const known = error instanceof Failure || error instanceof InputError ? error : systemProblem(error);
    if (known !== undefined) {
      report(args, known);
      if (known !== error && args.some((word) => word === "-v" || word === "--verbose")) showStack(error);
      return known.exitCode;
    }
    showStack(error);
    return exitCode.failed;
  }
}

function showStack(error: unknown): void {
  process.stderr.write(
    `homespan: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}

function report(args: readonly string[], error: Failure | InputError): void {
  process.stderr.write(`homespan: ${error.message}\n`);
  const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  // What of these looks like an option of ours is their program's.
  const passesOn = ["kubectl", "ssh"].includes(own[0] ?? "");
  // `status`, `doctor` and others print their object and fail only in their exit code.
  if (!own.includes("--json") || passesOn || hasPrinted()) return;
  const details = error instanceof Failure ? error.details : {};
  process.stdout.write(
    `${JSON.stringify({ command: own[0], succeeded: false, exitCode: error.exitCode, error: error.message, ...details })}\n`,
  );
}
