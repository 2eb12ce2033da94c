/** How many programs of one user may watch files at once, which Linux limits to 128 where nobody said otherwise. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Reporter } from "./types.ts";

const setting = "fs.inotify.max_user_instances";
/** For three servers, and agents on a Mac and in a virtual machine beside; the default is over with the fifth. */
const wanted = 1024;
/** What raises it by hand. */
export const moreWatchers = `sysctl -w ${setting}=${String(wanted)}`;

/**
 * Raises the limit for a rehearsal, whose machines all are root's: each has a systemd, a containerd and a k3s that watch files, and
 * a k3s that may not ends ("inotify_init: too many open files"). It stays until this machine restarts, and never gets lower.
 *
 * @see https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files
 */
export function allowManyWatchers(
  reporter: Pick<Reporter, "note">,
  file = "/proc/sys/fs/inotify/max_user_instances",
): void {
  let found: number;
  try {
    found = Number(readFileSync(file, "utf8"));
  } catch {
    // Not Linux.
    return;
  }
  if (!(found < wanted)) return;
  try {
    writeFileSync(file, String(wanted));
    reporter.note(`${setting}: ${String(found)} -> ${String(wanted)}, until this machine restarts`);
  } catch {
    reporter.note(`${setting} is ${String(found)}, too few for five machines; ${moreWatchers}`);
  }
}
