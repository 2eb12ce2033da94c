/** Removing Podman objects: succeeds when they are gone already, refuses what is not the cluster's. */
import { ownObject } from "../logic/ownership.ts";
import type { Podman } from "./podman.ts";

/**
 * Removes a pod with its containers.
 *
 * @param stopSeconds - time for an orderly stop; 0 where nothing of it is used again.
 */
export async function removePod(
  podman: Podman,
  cluster: string,
  name: string,
  stopSeconds = 0,
): Promise<void> {
  const pods = await podman.list("pods");
  if (ownObject("pod", pods, name, cluster) === undefined) return;
  await podman.remove("pods", name, stopSeconds);
}

/** {@link removePod} for a container of its own. */
export async function removeContainer(
  podman: Podman,
  cluster: string,
  name: string,
  stopSeconds = 0,
): Promise<void> {
  const there = async (): Promise<boolean> =>
    ownObject("container", await podman.list("containers"), name, cluster) !== undefined;
  if (!(await there())) return;
  try {
    await podman.remove("containers", name, stopSeconds);
  } catch (error) {
    // What goes wrong after its end, with its network say, leaves no container: what is wanted is done.
    if (await there()) throw error;
  }
}

/**
 * Takes away what an interrupted run left on a network or volume, as Podman removes neither while it is in use.
 *
 * @throws when something that is not the cluster's uses it.
 */
async function removeUsers(podman: Podman, cluster: string, users: readonly string[]): Promise<void> {
  if (users.length === 0) return;
  const containers = await podman.list("containers");
  const pods = new Set(containers.filter((c) => users.includes(c.name) && c.pod !== "").map((c) => c.pod));
  for (const pod of pods) await removePod(podman, cluster, pod);
  for (const user of containers.filter((c) => users.includes(c.name) && c.pod === "")) {
    await removeContainer(podman, cluster, user.name);
  }
}

export async function removeVolume(podman: Podman, cluster: string, name: string): Promise<void> {
  const volumes = await podman.list("volumes");
  if (ownObject("volume", volumes, name, cluster) === undefined) return;
  try {
    await podman.remove("volumes", name);
  } catch (error) {
    // `podman ps` lists mount points, not the names of volumes; only its filter knows them.
    const list = await podman.command([
      "ps",
      "--all",
      "--filter",
      `volume=${name}`,
      "--format",
      "{{.Names}}",
    ]);
    const users = list.split("\n").filter(Boolean);
    if (users.length === 0) throw error;
    await removeUsers(podman, cluster, users);
    await podman.remove("volumes", name);
  }
}

export async function removeNetwork(podman: Podman, cluster: string, name: string): Promise<void> {
  const networks = await podman.list("networks");
  if (ownObject("network", networks, name, cluster) === undefined) return;
  const containers = await podman.list("containers");
  const users = containers.filter((container) => container.networks.includes(name));
  await removeUsers(
    podman,
    cluster,
    users.map((user) => user.name),
  );
  await podman.command(["network", "rm", name]);
}
