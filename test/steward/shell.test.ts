/** Whether a shell file is clean is told by shellcheck, a part of `./homespan test` of its own. */
import { execa } from "execa";
import { globSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const project = join(import.meta.dirname, "../..");
const files = [
  ...["boot/*.sh", "images/steward/*.sh", "images/steward/entrypoint", "images/steward/{scripts,children}/*"],
  ...["boot/machine/lima/*", "test/steward/fakes/*", "test/boot/*.sh"],
].flatMap((pattern) => globSync(pattern, { cwd: project }));

test("every shell file is read by dash", async () => {
  expect(files.length).toBeGreaterThan(15);
  for (const file of files) {
    await execa("dash", ["-n", file], { cwd: project });
  }
});
