/** Options that several verbs share, and the texts around them. */
import { type Command, InvalidArgumentError } from "commander";

export const exitCodes = `
Exit codes:
  0  done
  1  failed; run the same command again to go on
  2  bad config or usage, or a machine that cannot run it; nothing was created
  130, 143  stopped by Ctrl-C or SIGTERM; run the same command again to go on
`;

export const overCommitted = "a config value over the committed Pulumi.<stack>.yaml; may be repeated";
export const overLast = "a config value over what the stack last ran with; may be repeated";

export function common(command: Command): Command {
  return command
    .option("-y, --yes", "do not ask; install what is missing")
    .option("--json", "one JSON object on standard output, everything else on standard error")
    .option("-v, --verbose", "say more");
}

/** @param over what the values are laid over, in words. */
export function settable(over: string, command: Command): Command {
  return command.option("--set <key=value>", over, collect);
}

/** @param minutes what the verb takes where nothing is said. */
export function timed(command: Command, minutes = 15): Command {
  const words = `give up after this time (default: ${String(minutes)})`;
  return command.option("--timeout <minutes>", words, parseMinutes);
}

export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

export function parseMinutes(text: string): number {
  const minutes = Number(text);
  if (Number.isFinite(minutes) && minutes > 0) return minutes;
  throw new InvalidArgumentError("It must be a number of minutes above 0.");
}

export function parsePositive(text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  throw new InvalidArgumentError("It must be a number above 0.");
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a port from 1 to 65535.");
}

export function help(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((example) => `  ./homespan ${example}`).join("\n")}\n${exitCodes}`;
}
