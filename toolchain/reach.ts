/** Which source this run uses: the internet where it can be reached, package registries where not. */
import { join } from "node:path";
import { readJson, writeJson } from "./json.ts";
import type { MakeSource } from "./recipe.ts";

export type SourceSetting = MakeSource | "auto";

const PROBE_MS = 2000;
/** How long an answer about the image registry holds while nothing fails. */
const REMEMBER_MS = 24 * 60 * 60_000;

/** Asks one URL; true when the service itself answered. */
export type Probe = (url: string, accepted: (status: number) => boolean) => Promise<boolean>;

const probe: Probe = async (url, accepted) => {
  try {
    const answer = await fetch(url, {
      method: "HEAD",
      redirect: "manual",
      signal: AbortSignal.timeout(PROBE_MS),
    });
    await answer.body?.cancel();
    return accepted(answer.status);
  } catch {
    return false;
  }
};

/**
 * `HOMESPAN_SOURCE`.
 *
 * @throws Error for any other word.
 */
export function sourceSetting(environment: Readonly<Record<string, string | undefined>>): SourceSetting {
  const given = environment["HOMESPAN_SOURCE"];
  if (given === undefined || given === "") return "auto";
  if (given === "download" || given === "modules" || given === "auto") return given;
  throw new Error(`\`HOMESPAN_SOURCE\` must be download, modules or auto, got ${JSON.stringify(given)}`);
}

let reachable: Promise<boolean> | undefined;

/** Where missing tools come from; asked at most once per run. */
export async function chooseSource(setting: SourceSetting, ask: Probe = probe): Promise<MakeSource> {
  if (setting !== "auto") return setting;
  // A filtering proxy answers 403 or 407 in GitHub's place.
  reachable ??= ask("https://github.com/", (status) => status < 400);
  return (await reachable) ? "download" : "modules";
}

/** True when Docker Hub answers; remembered for a day, so that a run with everything in place asks nothing. */
export async function registryReachable(
  setting: SourceSetting,
  cache: string,
  ask: Probe = probe,
): Promise<boolean> {
  if (setting !== "auto") return setting === "download";
  const memory = join(cache, "registry.json");
  const known = (await readJson(memory)) as { reachable: boolean; at: number } | undefined;
  if (known !== undefined && Date.now() - known.at < REMEMBER_MS) return known.reachable;
  // 401 is the registry's own answer to a request without a token.
  const answer = await ask("https://registry-1.docker.io/v2/", (status) => status === 200 || status === 401);
  await writeJson(memory, { reachable: answer, at: Date.now() });
  return answer;
}

/** Forgets the answer of an earlier test. */
export function forgetReach(): void {
  reachable = undefined;
}
