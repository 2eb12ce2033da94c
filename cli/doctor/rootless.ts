/** Doctor's part about Podman without root: what there is. What is judged of it is in components/render/rootless-podman.ts. */
import { existsSync, readFileSync } from "node:fs";
import { release, userInfo } from "node:os";
import { join } from "node:path";
import {
  checkRootless,
  checkRootlessK3d,
  idsOf,
  rootlessPlaces,
  serviceTimeoutIn,
  type RootlessFacts,
} from "../../components/render/rootless-podman.ts";
import { runtimeFolder } from "../../toolchain/folders.ts";
import { capture } from "../cluster.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
import type { Check } from "./checks.ts";

/**
 * What any node without root needs, and what k3d needs besides; empty for root, and where Podman does not run by itself.
 *
 * @param coming - Debian packages that `up` installs before it begins
 */
export async function examineRootless(
  context: Context,
  coming: readonly string[] = [],
): Promise<{ readonly nodes: readonly Check[]; readonly k3d: readonly Check[] }> {
  if (process.platform !== "linux" || process.getuid?.() === 0) return { nodes: [], k3d: [] };
  const [version, driver] = await Promise.all([
    capture(context, "podman", ["--version"]),
    capture(context, "podman", ["info", "--format", "{{.Store.GraphDriverName}}"]),
  ]);
  const found = rootlessFacts(context, {
    podman: version.ok ? versionIn(version.text) : undefined,
    storageDriver: driver.ok ? driver.text.trim() : undefined,
  });
  const facts = {
    ...found,
    mapPrograms: found.mapPrograms || coming.includes("uidmap"),
    networkProgram: found.networkProgram || coming.includes("slirp4netns"),
  };
  return { nodes: checkRootless(facts), k3d: checkRootlessK3d(facts) };
}

function versionIn(text: string): string | undefined {
  return /\d+(\.\d+)+/.exec(text)?.[0];
}

function rootlessFacts(
  context: Context,
  said: Pick<RootlessFacts, "podman" | "storageDriver">,
): RootlessFacts {
  const environment = childEnvironment(context.paths, context.environment);
  const { uid, username } = userInfo();
  const runtimeDirectory = runtimeFolder(environment, uid);
  const places = rootlessPlaces(uid, runtimeDirectory);
  const path = (environment["PATH"] ?? "").split(":");
  const onPath = (program: string): boolean => path.some((folder) => existsSync(join(folder, program)));
  const dockerHost = environment["DOCKER_HOST"];
  return {
    user: username,
    cgroup: existsSync("/sys/fs/cgroup/cgroup.controllers") ? "v2" : "v1",
    controllers: textOf(places.delegated)?.trim().split(/\s+/),
    userNamespaces:
      Number(textOf("/proc/sys/user/max_user_namespaces") ?? 0) > 0 &&
      textOf("/proc/sys/kernel/unprivileged_userns_clone")?.trim() !== "0",
    subordinateUids: idsOf(textOf("/etc/subuid"), username, uid),
    subordinateGids: idsOf(textOf("/etc/subgid"), username, uid),
    mapPrograms: onPath("newuidmap") && onPath("newgidmap"),
    networkProgram: onPath("slirp4netns") || onPath("pasta"),
    ...said,
    missingModules: places.modules.filter((name) => !hasModule(name)),
    runtimeDirectory,
    socket: existsSync(places.socket),
    serviceTimeout: serviceTimeoutIn(
      [
        join(environment["HOME"] ?? "/", ".config/containers/containers.conf"),
        "/etc/containers/containers.conf",
      ].map(textOf),
    ),
    dockerHost: dockerHost === "" ? undefined : dockerHost,
    lowestPort: Number(textOf("/proc/sys/net/ipv4/ip_unprivileged_port_start") ?? 1024),
    lingers: existsSync(`/var/lib/systemd/linger/${username}`),
  };
}

/** Loaded, or part of the kernel. */
function hasModule(name: string): boolean {
  if (existsSync(`/sys/module/${name}`)) return true;
  const builtIn = textOf(`/lib/modules/${release()}/modules.builtin`) ?? "";
  return builtIn.split("\n").some((line) => line.endsWith(`/${name}.ko`));
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
