/**
 * `pulumi-language-nodejs`: Homespan's own language host for Node programs, for machines that cannot reach the place
 * Pulumi's is downloaded from. The engine starts it with its own address as the last argument, reads the port from
 * the first line of output and ends it with a signal.
 */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

useCompileCache();
const { serve, watchParent } = await import("./server.ts");

const host = await serve(process.cwd(), process.argv.at(-1) ?? "");
const leave = (): void => {
  host.close();
  process.exit(0);
};
process.on("SIGINT", leave);
process.on("SIGTERM", leave);
watchParent(leave);
process.stdout.write(`${String(host.port)}\n`);

/**
 * Compiled JavaScript is kept in Pulumi's home: the SDK is large, and a preview loads it twice (here and in the
 * program, which inherits the variable).
 */
function useCompileCache(): void {
  const home = process.env["PULUMI_HOME"];
  if (home === undefined || process.env["NODE_COMPILE_CACHE"] !== undefined) return;
  const directory = join(home, "compile-cache");
  process.env["NODE_COMPILE_CACHE"] = directory;
  enableCompileCache(directory);
}
