/** The process of the stand-in for Pulumi's aws plugin: started by the engine, which reads the port from standard output. */
import { PodmanMachines } from "../../machines/podman-machines.ts";
import { rehearsalFolder } from "../../world.ts";
import { runPlugin } from "../shared/plugin.ts";
import { openAccount } from "./account.ts";
import { awsPackage } from "./config.ts";
import { awsResources } from "./resources/index.ts";
import { VERSION } from "./version.ts";

const folder = rehearsalFolder();
const account = openAccount(folder, new PodmanMachines(folder));
await runPlugin(awsResources(account), VERSION, awsPackage(account.settings));
