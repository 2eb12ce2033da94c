/** Doctor's part about Podman without root: what there is. What is judged of it is in components/render/rootless-podman.ts. */
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import {
  checkRootless,
  idsOf,
  rootlessPlaces,
  serviceTimeoutIn,
  type RootlessFacts,
} from "../../components/render/rootless-podman.ts";
import { capture } from "../cluster.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
import type { Check } from "./checks.ts";

/** Empty for root, and where Podman does not run by itself. */
export async function examineRootless(context: Context): Promise<readonly Check[]> {
  if (process.platform !== "linux" || process.getuid?.() === 0) return [];
  const answer = await capture(context, "podman", ["--version"]);
  return checkRootless(rootlessFacts(context, answer.ok ? versionIn(answer.text) : undefined));
}

function versionIn(text: string): string | undefined {
  return /\d+(\.\d+)+/.exec(text)?.[0];
}

function rootlessFacts(context: Context, podmanVersion: string | undefined): RootlessFacts {
  const environment = childEnvironment(context.paths, context.environment);
  const { uid, username } = userInfo();
  const runtimeDirectory = environment["XDG_RUNTIME_DIR"] ?? `/run/user/${String(uid)}`;
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
    podman: podmanVersion,
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

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
