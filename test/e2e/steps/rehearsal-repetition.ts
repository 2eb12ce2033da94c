/** Doing it again changes nothing, whether by `rehearse` or by plain Pulumi. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { changesNothing, upChangesNothing } from "../support/cluster.ts";
import { repository } from "../support/command.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { timed } from "../support/report.ts";

function committedConfig(): Readonly<Record<string, string>> {
  const names = globSync("Pulumi*.yaml", { cwd: repository });
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(repository, name), "utf8")]));
}

export function rehearsalRepetition(stack: RehearsedStack): void {
  test("a second rehearse changes nothing", async () => {
    await upChangesNothing(stack, "nothing to do");
  });

  test("plain pulumi changes nothing, and no committed file", async () => {
    const before = committedConfig();
    const preview = ["preview", "--expect-no-changes"];
    await timed("plain pulumi preview of the rehearsed stack", () => stack.pulumi(preview));
    const up = ["up", "--yes", "--skip-preview", "--expect-no-changes"];
    await timed("plain pulumi up of the rehearsed stack", () => stack.pulumi(up));
    expect(await stack.lastChanges()).toSatisfy(changesNothing);
    expect(committedConfig()).toEqual(before);
  });
}
