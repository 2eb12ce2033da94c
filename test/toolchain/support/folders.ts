import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder; test/support/temporary.ts removes it after the run. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "homespan-toolchain-"));
}
