import {
  type FirstFiles,
  type LaidDown,
  firewallUnit,
  firstFileSources,
  layDown,
  plain,
  sourceOf,
} from "./first-files.ts";
import { machineDirectory } from "./machine-files.ts";

export type { SeededNode } from "./first-files.ts";

/** What must be on a machine before anyone can reach it; a change of it replaces the machine. */
export interface UserData extends FirstFiles {
  /**
   * True for a machine that outlives its node: it gets the means to take all of this off again. Such a text is run by SSH,
   * and may be of any size.
   *
   * @default false
   */
  readonly leavable?: boolean;
}

/** The script all user-data is made from. */
const script = "boot/machine/user-data";
const leave = "boot/machine/existing/leave";

/** Files of this project that {@link renderUserData} needs the content of. */
export const userDataSources: readonly string[] = [script, leave, ...firstFileSources];

/** Our own limit, the lowest of the clouds': what Lightsail puts in front comes on top of it. */
export const userDataLimitBytes = 16 * 1024;

/**
 * User-data for a machine with systemd, Debian or Ubuntu: a POSIX shell script that may run again.
 *
 * No `#cloud-config`: Lightsail puts `#!/bin/sh` lines of its own in front. Nothing of k3s is in it but where to get it.
 *
 * @throws RangeError when it would be larger than {@link userDataLimitBytes}, or when a value cannot be a file's content
 */
export function renderUserData(userData: UserData): string {
  const text = sourceOf(userData.sources, script).replace(/^ *# @FILES@\n/m, () =>
    laidDown(userData).map(renderFile).join(""),
  );
  const size = Buffer.byteLength(text);
  if (size > userDataLimitBytes && userData.leavable !== true) {
    throw new RangeError(`\`userData\` must be at most ${userDataLimitBytes} bytes, got ${size}`);
  }
  return text;
}

function laidDown(userData: UserData): LaidDown[] {
  const { sources } = userData;
  return [
    ...layDown(userData),
    plain(`/etc/systemd/system/${firewallUnit.name}`, sourceOf(sources, firewallUnit.source)),
    ...(userData.leavable === true
      ? [{ path: `${machineDirectory}/leave`, mode: "0755" as const, content: sourceOf(sources, leave) }]
      : []),
  ];
}

/** Between the quoted word and its repetition the shell reads everything as it is. */
function renderFile({ path, mode, content }: LaidDown): string {
  // A carriage return and what is no text would not arrive as they are on every way user-data goes.
  if (!content.endsWith("\n") || /[^\P{Cc}\n\t]/u.test(content)) {
    throw new RangeError(`\`${path}\` must be lines of text`);
  }
  let word = "END";
  while (content.split("\n").includes(word)) {
    word += "_";
  }
  return `  put ${mode} ${path} <<'${word}'\n${content}${word}\n`;
}
