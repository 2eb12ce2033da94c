/** The homespan provider's process: started by the Pulumi engine, which reads the port from standard output. */
import { flushCompileCache } from "node:module";
import { systemEffects } from "./effects/effects.ts";
import { allResources } from "./resources/index.ts";
import { engineLog } from "./server/engine-log.ts";
import { homespanPackage } from "./server/package.ts";
import { endWithParent } from "./server/parent.ts";
import { serve } from "./server/serve.ts";
import { VERSION } from "./version.ts";

endWithParent();
const { port } = await serve(
  allResources(systemEffects()),
  VERSION,
  homespanPackage,
  engineLog(process.argv[2]),
);
console.log(String(port));
// A plugin may be killed at any time, so the cache of compiled code is not left to its exit.
setImmediate(flushCompileCache);
