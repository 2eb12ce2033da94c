/** The stand-in for Tailscale's Pulumi provider: started by the engine, speaks to the stand-in for Tailscale's API alone. */
import { rehearsalFolder } from "../../../world.ts";
import { runPlugin } from "../../shared/plugin.ts";
import { TAILSCALE_VERSION, tailscalePackage, tailscaleResources } from "./package.ts";

// Throws where there is no rehearsal.
rehearsalFolder();
const connection = {};
await runPlugin(tailscaleResources(connection), TAILSCALE_VERSION, tailscalePackage(connection));
