/** Starts the rehearsed cloud's machines after a restart of the machine they are on: those of a cloud would have run on. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CLUSTER_LABEL } from "../../provider/effects/podman.ts";
import { type World, type WorldEffects, worldEffects } from "../world.ts";
import { machineBooks } from "./cloud-network.ts";
import { containerName } from "./machine-arguments.ts";

/** Another one after each start of this machine; "" on systems that do not tell. */
export function bootId(): Promise<string> {
  return readFile("/proc/sys/kernel/random/boot_id", "utf8").then(
    (text) => text.trim(),
    () => "",
  );
}

/** Starts what this machine's restart stopped, once; a machine that was stopped since then stays so. */
export async function wakeMachines(
  folder: string,
  { world }: Pick<World, "world">,
  boot: string,
  { podman }: WorldEffects = worldEffects(),
): Promise<void> {
  const file = join(folder, "boot-id");
  const former = await readFile(file, "utf8").catch(() => boot);
  if (former !== boot) {
    const machines = Object.keys((await machineBooks(folder).read()).machines);
    const names = new Set(machines.map((machine) => containerName(world, machine)));
    const containers = await podman.list("containers");
    const stopped = containers.filter(
      ({ name, labels, running }) => labels[CLUSTER_LABEL] === world && names.has(name) && !running,
    );
    await Promise.all(stopped.map(({ name }) => podman.command(["start", name])));
  }
  await writeFile(file, boot, { mode: 0o600 });
}
