/** The homespan provider's process: started by the Pulumi engine, which reads the port from standard output. */
import { renameSync, writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { systemEffects } from "./effects/effects.ts";
import { allResources } from "./resources/index.ts";
import { engineLog } from "./server/engine-log.ts";
import { homespanPackage } from "./server/package.ts";
import { endWithParent } from "./server/parent.ts";
import { serve } from "./server/serve.ts";
import { VERSION } from "./version.ts";

/** Of the engine's five seconds; the other start's Cancel is on its way already. */
const FAREWELL_MILLISECONDS = 500;

endWithParent();
const server = await serve(
  allResources(systemEffects()),
  VERSION,
  homespanPackage,
  engineLog(process.argv[2]),
);
process.once("SIGINT", () => {
  void server.farewell(FAREWELL_MILLISECONDS).then(() => process.exit(0));
});
tellOthers(server.port, process.argv[2]);
console.log(String(server.port));
// A plugin may be killed at any time, so the cache of compiled code is not left to its exit.
setImmediate(flushCompileCache);

/** For the next start by the same engine (pulumi-resource-homespan). Goes with the folder, which is the run's own. */
function tellOthers(port: number, engine: string | undefined): void {
  const folder = process.env["TMPDIR"];
  if (folder === undefined || folder === "" || engine === undefined) return;
  const file = join(folder, `homespan-provider-${engine}`);
  try {
    writeFileSync(`${file}.new`, `${String(port)} ${String(process.pid)}\n`, { mode: 0o600, flag: "wx" });
    renameSync(`${file}.new`, file);
  } catch {
    // Without it the next one starts a server of its own.
  }
}
