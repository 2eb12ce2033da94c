/** `rehearse ... destroy` empties the clouds' books and leaves this machine as it was. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { footprint, leftovers, marksOf } from "../support/footprint.ts";
import { objectsOf } from "../support/podman.ts";
import type { RehearsedStack } from "../support/rehearsal.ts";
import { eventually } from "../support/wait.ts";

/** Names and addresses of the world, beside those of every cluster. */
async function marksOfWorld(stack: RehearsedStack): Promise<readonly string[]> {
  const { network, publicRange } = await stack.readWorld();
  // A world that no address may come to has none.
  const visitor = join(stack.folder, "visitor");
  const inside = (range: string): string => range.replace(/\d+\/\d+$/, "");
  return [
    ...(await marksOf(stack.world, stack.state)),
    ...[
      `homespan_${stack.world.replaceAll("-", "_")}_`,
      inside(network.subnet),
      inside(publicRange),
      ...(existsSync(visitor) ? [readFileSync(visitor, "utf8")] : []),
    ],
  ];
}

export function rehearsalRemoval(stack: RehearsedStack, before: () => ReadonlySet<string>): void {
  test("destroys it, with empty books, and leaves nothing behind", async () => {
    const marks = await marksOfWorld(stack);
    const there = leftovers(before(), await footprint(stack.world), marks, stack.state);
    for (const kind of ["object", "link", "address", "route", "table", "mount", "process"]) {
      expect(there.map((line) => line.split(" ")[0])).toContain(kind);
    }
    // It ends with an error when the books still hold something.
    await stack.destroy("3 servers and 1 agent");
    expect(await objectsOf(stack.world)).toEqual([]);
    expect(globSync("**/*", { cwd: stack.state })).toEqual([]);
    await eventually("processes and cgroups of the rehearsal are gone", 10, async () => {
      expect(leftovers(before(), await footprint(stack.world), marks, stack.state)).toEqual([]);
    });
  });

  test("destroying what is not there is no error", async () => {
    await stack.destroy("nothing there");
  });
}
