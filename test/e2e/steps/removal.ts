/** `destroy`, with half of the cluster gone already, leaves the machine as it was. */
import { globSync } from "node:fs";
import { expect, test } from "vitest";
import type { Cluster } from "../support/cluster.ts";
import { footprint, leftovers, marksOf } from "../support/footprint.ts";
import { objectsOf, podman } from "../support/podman.ts";
import { eventually } from "../support/wait.ts";

export function removal(cluster: Cluster, before: () => ReadonlySet<string>): void {
  test("destroys a cluster whose server and one volume are gone, and leaves nothing behind", async () => {
    const marks = await marksOf(cluster.name, cluster.state);
    expect(leftovers(before(), await footprint(cluster.name), marks, cluster.state).length).toBeGreaterThan(
      20,
    );

    await podman(["pod", "rm", "--force", "--time", "0", cluster.pod("server-1"), cluster.pod("agent-2")]);
    await podman(["volume", "rm", "--force", cluster.volume("agent-2")]);
    await cluster.destroy("half of it gone already");
    expect(await objectsOf(cluster.name)).toEqual([]);
    expect(globSync("**/*", { cwd: cluster.state })).toEqual([]);
    await eventually("processes and cgroups of the cluster are gone", 10, async () => {
      expect(leftovers(before(), await footprint(cluster.name), marks, cluster.state)).toEqual([]);
    });
  });

  test("destroying what is not there is no error", async () => {
    await cluster.destroy("nothing there");
  });
}
