/** The homespan provider's process: started by the Pulumi engine, which reads the port from standard output. */
import { flushCompileCache } from "node:module";
import { systemEffects } from "./effects/effects.ts";
import { allResources } from "./resources/index.ts";
import { serve } from "./server/serve.ts";
import { VERSION } from "./version.ts";

const { port } = await serve(allResources(systemEffects()), VERSION);
console.log(String(port));
// The engine ends a provider with SIGKILL, so the cache of compiled code is not written at exit.
setImmediate(flushCompileCache);
