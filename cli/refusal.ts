/** Tells a config that the program refuses from everything else that can fail. Pure. */

/** Config and topology errors have one grammar: `` `field` must <rule>, got <value> ``. */
const problemGrammar = /^\s*(?:[-*]\s+)?`[^`\n]+`.* (?:must|is|are|needs?|cannot) /;

/** The program's own words on its config; undefined when none of the messages is about config. */
export function configProblems(messages: readonly string[]): string | undefined {
  const own = messages.filter((message) => !isFollowUp(message));
  const text = own.join("\n");
  return text.split("\n").some((line) => problemGrammar.test(line)) ? text : undefined;
}

/** What the engine says in addition when the program or a resource failed. */
export function isFollowUp(message: string): boolean {
  return /^(update|destroy|refresh|preview) failed$|Program exited with non-zero exit code|one or more errors|an unhandled error occurred/.test(
    message,
  );
}

/** The errors in what `pulumi preview` wrote: its diagnostics with `--json`, its standard error without. */
export function previewErrors(stdout: string, stderr: string): readonly string[] {
  const digest = parseDigest(stdout);
  const errors = (digest?.diagnostics ?? [])
    .filter(({ severity }) => severity === "error")
    .map(({ message }) => message.replace(/^error: /, "").trimEnd());
  if (errors.length > 0) return errors;
  return stderr
    .split(/^error: /m)
    .slice(1)
    .map((message) => message.trimEnd());
}

interface Digest {
  readonly diagnostics?: readonly { readonly message: string; readonly severity: string }[];
}

function parseDigest(stdout: string): Digest | undefined {
  try {
    return JSON.parse(stdout.slice(Math.max(0, stdout.indexOf("{")))) as Digest;
  } catch {
    return undefined;
  }
}
