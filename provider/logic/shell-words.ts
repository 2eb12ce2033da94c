/** Commands for the shell of another machine, which sees one line of text where a program has arguments. */

/**
 * Arguments as one line that a POSIX shell splits into just these again.
 *
 * @throws RangeError for an argument with a NUL byte, which no program can be given
 */
export function shellWords(argv: readonly string[]): string {
  return argv.map(shellWord).join(" ");
}

function shellWord(word: string): string {
  if (word.includes("\0")) throw new RangeError("`argv` must be texts without NUL bytes");
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * The line with which a user runs a program as root. A shell stands in between because sudo's own exit code for a program
 * that is missing or cannot be run is 1, and the shell's are 127 and 126, which tell that a machine is not ready yet. Where
 * root logs in there may be no sudo.
 */
export function rootCommand(argv: readonly string[], user: string): string {
  return `${user === "root" ? "" : "sudo -n -- "}/bin/sh -c 'exec "$@"' sh ${shellWords(argv)}`;
}
