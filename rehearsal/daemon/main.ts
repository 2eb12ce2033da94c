/** The daemon's process. Argument: the rehearsal's folder, which has its orders. */
import { systemEffects } from "../../provider/effects/effects.ts";
import { runDaemon } from "./run.ts";
import { headscaleControlPlane } from "./services.ts";

await runDaemon(process.argv[2] ?? "", headscaleControlPlane(systemEffects()));
