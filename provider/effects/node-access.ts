/** The one {@link NodeAccess} that resources use: it goes the way that the transport names. */
import type { Transport } from "../schema/common.ts";
import type { NodeAccess } from "./node-files.ts";
import { PodmanNodeAccess } from "./podman-node-access.ts";
import type { Podman } from "./podman.ts";
import { SshNodeAccess } from "./ssh-node-access.ts";
import type { Ssh } from "./ssh.ts";
import { type Clock, systemClock } from "./wait.ts";

export function nodeAccess(podman: Podman, ssh: Ssh, clock: Clock = systemClock): NodeAccess {
  const pods: NodeAccess = new PodmanNodeAccess(podman);
  const machines: NodeAccess = new SshNodeAccess(ssh, clock);
  const of = ({ kind }: Transport): NodeAccess => (kind === "podman" ? pods : machines);
  return {
    put: (transport, files) => of(transport).put(transport, files),
    checksums: (transport, paths) => of(transport).checksums(transport, paths),
    remove: (transport, paths) => of(transport).remove(transport, paths),
    reachable: (transport) => of(transport).reachable(transport),
    gone: (transport) => of(transport).gone(transport),
    stages: (transport) => of(transport).stages(transport),
    show: (transport, path) => of(transport).show(transport, path),
    readyServers: (transport, names) => of(transport).readyServers(transport, names),
    stopK3s: (transport) => of(transport).stopK3s(transport),
    restartK3s: (transport) => of(transport).restartK3s(transport),
  };
}
