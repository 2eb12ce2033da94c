/** A run of its own: `node install-once.ts <cache> <go folder>` installs the fake tool from its module. */
import { installTool } from "../../../toolchain/install.ts";
import { fakePin, machine, recorder } from "./fixtures.ts";

const [cache = "", bin = ""] = process.argv.slice(2);
const installed = await installTool(fakePin(), "modules", {
  cache,
  machine,
  reporter: recorder(),
  environment: { PATH: `${bin}:/usr/bin:/bin` },
});
console.log(installed.folder);
