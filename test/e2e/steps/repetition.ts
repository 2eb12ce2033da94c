/** Doing it again changes nothing, whether through the wrapper or through plain Pulumi. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { changesNothing, upChangesNothing } from "../support/cluster.ts";
import type { Cluster } from "../support/cluster.ts";
import { repository } from "../support/command.ts";
import { timed } from "../support/report.ts";

function committedConfig(): Readonly<Record<string, string>> {
  const names = globSync("Pulumi*.yaml", { cwd: repository });
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(repository, name), "utf8")]));
}

export function repetition(cluster: Cluster): void {
  test("a second up changes nothing", async () => {
    await upChangesNothing(cluster, "nothing to do");
  });

  test("plain pulumi sees the same and touches no committed file", async () => {
    const before = committedConfig();
    const changes = await timed("plain pulumi preview", () => cluster.preview());
    expect(changes).toSatisfy(changesNothing);
    expect(changes["same"]).toBeGreaterThan(10);
    expect(committedConfig()).toEqual(before);
  });
}
