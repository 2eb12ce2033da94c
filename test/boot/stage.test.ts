import { execa } from "execa";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "boot-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** The boot files as a carrier sources them, in dash; nothing in them may need more. */
async function call(...lines: readonly string[]): Promise<string> {
  const result = await execa("dash", [join(import.meta.dirname, "call.sh"), ...lines], {
    env: { STAGE: join(root, "stage.json"), BOOT_DATA: root, TEXT: 'say "no"\nto C:\\' },
  });
  return result.stdout;
}

interface StageFile {
  readonly node: string;
  readonly stages: readonly Record<string, unknown>[];
}
function stageFile(): StageFile {
  return JSON.parse(readFileSync(join(root, "stage.json"), "utf8")) as StageFile;
}

describe("the stage file", () => {
  test("begins with every stage waiting", async () => {
    await call('stage_init "$STAGE" n1');
    expect(stageFile()).toEqual({
      node: "n1",
      stages: ["tailnet", "address", "artifacts", "config", "k3s", "ready"].map((name) => ({
        name,
        state: "waiting",
        attempts: 0,
      })),
    });
  });

  test("keeps start time and error of a failed stage while it is tried again", async () => {
    await call('stage_init "$STAGE" n1', "stage_begin k3s", "stage_fail k3s broken", "stage_begin k3s");
    expect(stageFile().stages[4]).toMatchObject({ state: "failed", attempts: 2, error: "broken" });
    await call(
      'stage_init "$STAGE" n1',
      "stage_begin k3s",
      "stage_fail k3s broken",
      "stage_begin k3s",
      "stage_done k3s",
    );
    expect(stageFile().stages[4]).not.toHaveProperty("error");
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
    expect(stageFile().stages[4]?.["startedAt"]).toMatch(time);
    expect(stageFile().stages[4]?.["finishedAt"]).toMatch(time);
  });

  test("is JSON whatever an error says, and one line of it", async () => {
    await call('stage_init "$STAGE" n1', 'stage_fail config "$TEXT"');
    expect(stageFile().stages[3]?.["error"]).toBe('say "no" to C:\\');
  });
});

test("values of a file are data: nothing in it is run", async () => {
  writeFileSync(join(root, "node.conf"), 'NODE=$(touch "$BOOT_DATA/ran")\nPOD=a=b\n');
  const printed = await call(
    'boot_value "$BOOT_DATA/node.conf" NODE; echo "$BOOT_VALUE"',
    'boot_value "$BOOT_DATA/node.conf" POD; echo "$BOOT_VALUE"',
  );
  expect(printed.split("\n")).toEqual(['$(touch "$BOOT_DATA/ran")', "a=b"]);
  expect(() => readFileSync(join(root, "ran"))).toThrow();
});

test("boot_replace leaves a file alone that has the content already", async () => {
  const printed = await call(
    'echo one | boot_replace "$BOOT_DATA/f"; echo one >"$BOOT_DATA/copy"',
    'boot_replace "$BOOT_DATA/f" <"$BOOT_DATA/copy"; echo "$BOOT_REPLACED"',
    'echo two >"$BOOT_DATA/copy"; boot_replace "$BOOT_DATA/f" <"$BOOT_DATA/copy"; echo "$BOOT_REPLACED"',
  );
  expect(printed.split("\n")).toEqual(["no", "yes"]);
});
