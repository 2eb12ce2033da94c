/** All temporary folders of the quick tests in one, which goes with the run: a worker that is ended removes none. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Called by vitest before its workers start, which inherit the variable; what it returns, after their end. */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "homespan-test-"));
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  return () => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    rmSync(folder, { recursive: true, force: true });
  };
}
