/**
 * Files that may not be there. A look that fails is no absence: of a machine that wants a password for it, or is too slow, nothing is
 * known, and whoever takes its node for gone leaves behind what is on it.
 */
import type { Finished } from "./process.ts";

/** Prints files. What is wrong is said in English, whatever the machine speaks: {@link saysAbsent} reads it. */
export function printFiles(...paths: readonly string[]): readonly string[] {
  return ["env", "LC_ALL=C", "cat", ...paths];
}

/** True when `cat` says that there is no such file: `cat: /data/homespan.id: No such file or directory`. */
export function saysAbsent({ code, stderr }: Finished, path: string): boolean {
  if (code === 0) return false;
  const absent = (line: string): boolean =>
    line.startsWith("cat: ") && line.includes(path) && line.includes("No such file or directory");
  return stderr.split("\n").some(absent);
}
