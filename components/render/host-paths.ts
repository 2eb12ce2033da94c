/** Where a host keeps the files of the join layer, and where k3s sees them. */
export interface HostPaths {
  /** Directory of the join tokens as k3s sees it. */
  readonly secretsSeen: string;
  /** The machine's resolv.conf of before the tailnet, as k3s sees it. */
  readonly resolvConfSeen: string;
  /** `/etc/rancher`, below the node's data directory. */
  readonly etcRancher: string;
  /** `/var/lib/rancher`, below the node's data directory. */
  readonly varLibRancher: string;
  /** The join tokens' directory, below the node's data directory. */
  readonly secrets: string;
  /** `join.conf`, below the node's data directory. */
  readonly joinConf: string;
}

/** A steward node: /data is the volume, pieces of it are mounted into the k3s container. */
export const stewardPaths: HostPaths = {
  secretsSeen: "/run/homespan/secrets",
  resolvConfSeen: "/etc/homespan/resolv.conf",
  etcRancher: "etc/rancher",
  varLibRancher: "rancher",
  secrets: "secrets",
  joinConf: "join.conf",
};

/** A machine with systemd: k3s runs beside its data directory, and its own paths are mounted from there. */
export const machinePaths: HostPaths = machinePathsBelow("/data");

/** The same where / takes no directories, and the data directory is elsewhere. */
export function machinePathsBelow(data: string): HostPaths {
  return {
    secretsSeen: `${data}/secrets`,
    resolvConfSeen: `${data}/etc/resolv.conf.upstream`,
    etcRancher: "etc/rancher",
    varLibRancher: "rancher",
    secrets: "secrets",
    joinConf: "join.conf",
  };
}

/**
 * An absolute path as k3s sees it, as a path below the node's data directory.
 *
 * @throws RangeError for a path the host does not keep
 */
export function pathBelowData(paths: HostPaths, absolute: string): string {
  const places = [
    ["/etc/rancher/", paths.etcRancher],
    ["/var/lib/rancher/", paths.varLibRancher],
  ] as const;
  for (const [prefix, place] of places) {
    if (absolute.startsWith(prefix)) {
      return `${place}/${absolute.slice(prefix.length)}`;
    }
  }
  throw new RangeError(
    `\`path\` must be below /etc/rancher or /var/lib/rancher, got ${JSON.stringify(absolute)}`,
  );
}
