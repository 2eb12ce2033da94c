/** The environment of a shell that followed `./homespan env`. */
import { run } from "./command.ts";

/** All variables there are after `eval "$(./homespan WORDS)"`, the caller's own included. */
export async function environmentAfter(
  words: readonly string[],
  state: string,
): Promise<Readonly<Record<string, string>>> {
  const script = 'vars=$(./homespan "$@") && eval "$vars" && exec env -0';
  const env = { HOMESPAN_STATE: state, CI: "true" };
  const done = await run("sh", ["-c", script, "sh", ...words], { env });
  const entries = done.stdout.split("\0").filter((entry) => entry.includes("="));
  return Object.fromEntries(
    entries.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
  );
}
