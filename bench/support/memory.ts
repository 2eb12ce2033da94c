/** Memory a node uses: the sum of its processes' proportional share, so that shared pages count once. */
import { globSync, readFileSync } from "node:fs";
import { run } from "./command.ts";
import type { HomespanCluster } from "./homespan.ts";

async function idOf(container: string): Promise<string> {
  return (await run("podman", ["inspect", "--format", "{{.Id}}", container])).stdout.trim();
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process ended meanwhile
  }
}

/** MiB of all processes in a container, those of its pods included: their cgroups are below its own. */
async function memoryOf(container: string): Promise<number> {
  const id = await idOf(container);
  let kibibytes = 0;
  for (const cgroup of globSync("/proc/[0-9]*/cgroup")) {
    if (!read(cgroup).includes(id)) continue;
    const share = /^Pss:\s+(\d+)/m.exec(read(cgroup.replace(/cgroup$/, "smaps_rollup")))?.[1];
    kibibytes += Number(share ?? 0);
  }
  return kibibytes / 1024;
}

/** All of the node, then k3s with its pods, tailscale, and the steward, in MiB. */
export async function memoryOfNode(cluster: HomespanCluster, node: string): Promise<number[]> {
  const parts: number[] = [];
  for (const child of ["k3s", "tailscale", "steward"])
    parts.push(await memoryOf(cluster.container(node, child)));
  const sum = parts.reduce((total, part) => total + part, 0);
  return [sum, ...parts];
}
