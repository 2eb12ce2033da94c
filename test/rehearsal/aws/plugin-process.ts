/** The stand-in for aws as a process of its own, with fake machines. */
import { openAccount } from "../../../rehearsal/clouds/aws/account.ts";
import { awsPackage } from "../../../rehearsal/clouds/aws/config.ts";
import { awsResources } from "../../../rehearsal/clouds/aws/resources/index.ts";
import { runPlugin } from "../../../rehearsal/clouds/shared/plugin.ts";
import { rehearsalFolder } from "../../../rehearsal/world.ts";
import { FakeMachines } from "../shared/fake-machines.ts";

const folder = rehearsalFolder();
const account = openAccount(folder, new FakeMachines());
await runPlugin(awsResources(account), "7.48.0", awsPackage(account.settings));
