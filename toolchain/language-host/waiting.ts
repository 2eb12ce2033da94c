/**
 * A program's process that was started before there is a run for it: it loads what the program will need while the
 * engine still reads resources, and becomes `cmd/run` when it is told to. Arguments: the module to load.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** What the host tells it, once. */
export interface Start {
  /** File of `cmd/run`. */
  readonly runner: string;
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly environment: Readonly<Record<string, string>>;
}

const leave = (): void => {
  process.exit(0);
};
// The host has gone without a run.
process.once("disconnect", leave);
const told = new Promise<Start>((done) => process.once("message", done as (message: unknown) => void));

// What is wrong with the module is wrong with the program too, and is told by the run.
await import(pathToFileURL(process.argv[2] ?? "").href).catch(() => undefined);

const { runner, args, environment } = await told;
process.off("disconnect", leave);
process.disconnect();
Object.assign(process.env, environment);
process.argv = [process.execPath, runner, ...args];
createRequire(runner)(runner);
