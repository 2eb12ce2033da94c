/** One look at a machine that is to run virtual machines with Lima, for a shell there: what it is like, and what runs on it. */
import { homebrewPrograms } from "../upstream/lima.ts";
import { type LimaInstance, parseLimaList } from "./lima-list.ts";
import { type LimaFacts, parseLimaProbe } from "./lima-mac.ts";

const listMark = "-- list --";

/**
 * @param probe - text of provider/effects/lima/probe.sh
 * @param wanted - its arguments
 */
export function limaLookScript(probe: string, wanted: readonly string[]): string {
  return [
    // A command by SSH starts with a short PATH.
    `PATH="$PATH:${homebrewPrograms}"; export PATH`,
    `set -- ${wanted.join(" ")}`,
    `(\n${probe}\n)`,
    `echo '${listMark}'`,
    "! command -v limactl >/dev/null 2>&1 || limactl list --json 2>/dev/null",
    "exit 0\n",
  ].join("\n");
}

/**
 * What {@link limaLookScript} printed.
 *
 * @throws RangeError when it is not that
 */
export function parseLimaLook(text: string): {
  readonly facts: LimaFacts;
  readonly instances: readonly LimaInstance[];
} {
  const [facts = "", list = ""] = text.split(`${listMark}\n`);
  return { facts: parseLimaProbe(facts), instances: parseLimaList(list) };
}
