import { k3sPaths } from "../upstream/k3s.ts";
import { renderContainerd } from "./containerd.ts";
import { renderHardening } from "./hardening.ts";
import { pathBelowData } from "./host-paths.ts";
import { renderJoinConf, type JoinConf } from "./join-conf.ts";
import { renderK3sConfig, type K3sConfig } from "./k3s-config.ts";
import { renderRegistration, type Registration } from "./k3s-registration.ts";
import { renderKubelet } from "./kubelet.ts";
import { renderFlannel } from "./pod-network.ts";

export interface Join {
  readonly k3s: K3sConfig;
  readonly registration: Registration;
  /** How the node enters a cluster that no server has started yet. */
  readonly fresh: JoinConf;
  /** How it enters one that exists. */
  readonly initialised: JoinConf;
}

/** The files of the join layer, path below the node's data directory -> content; none of them is secret. */
export interface JoinFiles {
  readonly files: Record<string, string>;
  readonly joinFile: { readonly path: string; readonly fresh: string; readonly initialised: string };
}

/** Everything a join writes to its host, tokens excepted. */
export function renderJoin(join: Join): JoinFiles {
  const { paths, restrictions, role, hardening, podRoutes } = join.k3s;
  const absolute: Record<string, string> = {
    [k3sPaths.config]: renderK3sConfig(join.k3s),
    [k3sPaths.registration]: renderRegistration(join.registration),
    ...renderContainerd(restrictions),
    ...renderKubelet(),
    ...(podRoutes === undefined ? {} : { [k3sPaths.flannel]: renderFlannel(podRoutes) }),
    ...(hardening === undefined || role !== "server" ? {} : renderHardening(hardening)),
  };
  return {
    files: Object.fromEntries(
      Object.entries(absolute).map(([path, content]) => [pathBelowData(paths, path), content]),
    ),
    joinFile: {
      path: paths.joinConf,
      fresh: renderJoinConf(join.fresh),
      initialised: renderJoinConf(join.initialised),
    },
  };
}
