/**
 * A run of its own: `node install-once.ts <cache> <go folder> [<release> <sums>]` installs the fake tool from its module,
 * or from the release where one is given.
 */
import { installTool } from "../../../toolchain/install.ts";
import { fakePin, machine, recorder } from "./fixtures.ts";

const [cache = "", bin = "", url, sums = ""] = process.argv.slice(2);
const context = { cache, machine, reporter: recorder(), environment: { PATH: `${bin}:/usr/bin:/bin` } };
const installed =
  url === undefined
    ? await installTool(fakePin(), "modules", context)
    : await installTool(fakePin({ url, sums }), "download", context);
console.log(installed.folder);
