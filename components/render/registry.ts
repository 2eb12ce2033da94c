import { registryPaths, registryPort } from "../upstream/registry.ts";
import { renderYaml } from "./yaml.ts";

/**
 * Where nodes pull the images of a registry from: its name as it stands in front of an image's (`localhost:5001`, `docker.io`, `*` for
 * all others) -> addresses (`http://10.90.0.11:5000`), tried in this order, and after them the registry itself.
 */
export type RegistryMirrors = Readonly<Record<string, readonly string[]>>;

/**
 * The name of a cluster's registry, the same in a push from this machine and in a pod. `localhost` because every client takes
 * plain HTTP from there or can be told to, and because the port is published there.
 */
export function registryName(port: number): string {
  return `localhost:${String(port)}`;
}

/**
 * `/etc/rancher/k3s/registries.yaml`, which k3s reads at its start. https://docs.k3s.io/installation/private-registry
 *
 * A cluster's own registry is a mirror, too: on a node, `localhost` is the node itself.
 */
export function renderRegistries(mirrors: RegistryMirrors): string {
  const entries = Object.entries(mirrors).map(([name, endpoint]) => [name, { endpoint }]);
  return renderYaml(
    { mirrors: Object.fromEntries(entries) as Record<string, { endpoint: readonly string[] }> },
    "Written by Homespan's join layer; a change here restarts k3s on this node.",
  );
}

/** The registry's own configuration: files below its data volume, plain HTTP, deletion allowed. */
export function renderRegistryConfig(): string {
  return renderYaml(
    {
      version: 0.1,
      log: { level: "info", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: registryPaths.data }, delete: { enabled: true } },
      http: { addr: `:${String(registryPort)}` },
    },
    "Written by Homespan.",
  );
}
