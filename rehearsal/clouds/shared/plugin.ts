/** Starts a stand-in plugin as the engine starts every plugin: it reads the port from standard output. */
import { flushCompileCache } from "node:module";
import type { ProviderPackage } from "../../../provider/server/package.ts";
import { endWithParent } from "../../../provider/server/parent.ts";
import type { Resource } from "../../../provider/server/resource.ts";
import { serve } from "../../../provider/server/serve.ts";

/** Serves these resources until the engine ends the process. */
export async function runPlugin(
  resources: readonly Resource[],
  version: string,
  pack: ProviderPackage,
): Promise<void> {
  endWithParent();
  const { port } = await serve(resources, version, pack);
  console.log(String(port));
  // The engine ends a plugin with SIGKILL, so the cache of compiled code is not written at exit.
  setImmediate(flushCompileCache);
}
