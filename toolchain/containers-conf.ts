/** Podman's settings for machines with limits; elsewhere Podman keeps the user's own. */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hardLimits } from "./machine.ts";
import type { Machine } from "./types.ts";

/**
 * The text of containers.conf (containers.conf(5)), or undefined when this machine needs none.
 *
 * Without CAP_SYS_RESOURCE Podman's own default limits cannot be set, and no container starts: the hard limits
 * in force are named instead. On cgroup v1 crun refuses to start containers and runc does not; and there Podman tries for
 * four seconds to remove a pod's cgroup while the monitor of a program that ran in it waits out its delay (default: 300 s).
 */
export function containersConf(
  machine: Machine,
  limits: { nofile?: number; nproc?: number },
): string | undefined {
  if (machine.platform !== "linux") return undefined;
  const sections: string[] = [];
  const ulimits = Object.entries(limits).map(([name, hard]) => `"${name}=${String(hard)}:${String(hard)}"`);
  if (!machine.sysResource && ulimits.length > 0) {
    sections.push(`[containers]\ndefault_ulimits = [${ulimits.join(", ")}]`);
  }
  if (machine.cgroup === "v1") sections.push(`[engine]\nruntime = "runc"\nexit_command_delay = 10`);
  if (sections.length === 0) return undefined;
  return `# Written by Homespan for this machine; CONTAINERS_CONF points here.\n\n${sections.join("\n\n")}\n`;
}

/** Writes or removes `$CACHE/containers.conf`; returns its path when the machine needs it. */
export async function writeContainersConf(cache: string, machine: Machine): Promise<string | undefined> {
  const file = join(cache, "containers.conf");
  const text = containersConf(machine, hardLimits());
  if (text === undefined) {
    await rm(file, { force: true });
    return undefined;
  }
  if ((await readFile(file, "utf8").catch(() => "")) === text) return file;
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${String(process.pid)}`;
  await writeFile(draft, text);
  await rename(draft, file);
  return file;
}
