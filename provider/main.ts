/** The homespan provider's process: started by the Pulumi engine, which reads the port from standard output. */
import { flushCompileCache } from "node:module";
import { engineLog } from "./server/engine-log.ts";
import { homespanPackage } from "./server/package.ts";
import { endWithParent } from "./server/parent.ts";
import type { Resource } from "./server/resource.ts";
import { serve } from "./server/serve.ts";
import { VERSION } from "./version.ts";

endWithParent();
const { port } = await serve(loadResources, VERSION, homespanPackage, engineLog(process.argv[2]));
console.log(String(port));
keepCompiled();

/** Two thirds of what there is to load. */
async function loadResources(): Promise<readonly Resource[]> {
  const [{ allResources }, { systemEffects }] = await Promise.all([
    import("./resources/index.ts"),
    import("./effects/effects.ts"),
  ]);
  keepCompiled();
  return allResources(systemEffects());
}

/** A plugin may be killed at any time, so the cache of compiled code is not left to its exit. */
function keepCompiled(): void {
  setImmediate(flushCompileCache);
}
