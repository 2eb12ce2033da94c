/** `limactl` refuses to run as root: then it runs as nobody, in a folder of nobody's, with a copy of the program there. */
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { homespanTools } from "./tools.ts";

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

/** For execa and spawn. */
export const unprivileged: { readonly uid?: number; readonly gid?: number } = isRoot
  ? { uid: NOBODY, gid: NOBODY }
  : {};

/** Home of that user, with `limactl`. */
export function unprivilegedHome(): string {
  const home = mkdtempSync(join(tmpdir(), "lima-"));
  const found = homespanTools.PATH.split(":")
    .map((folder) => join(folder, "limactl"))
    .find((file) => existsSync(file));
  if (found === undefined)
    throw new Error("limactl must be installed: ./homespan toolchain --prepare --group test --yes");
  mkdirSync(join(home, "bin"));
  // Root's cache is open to root alone.
  copyFileSync(found, join(home, "bin/limactl"));
  chmodSync(join(home, "bin/limactl"), 0o755);
  chmodSync(home, 0o755);
  if (isRoot) chownSync(home, NOBODY, NOBODY);
  return home;
}

/** Environment of that user. `system` are the folders with all other programs. */
export function unprivilegedEnvironment(
  home: string,
  system = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
): Record<string, string> {
  return {
    HOME: home,
    PATH: `${home}/bin:${system}`,
    ...(isRoot ? { USER: "nobody", LOGNAME: "nobody" } : {}),
  };
}
